import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { MIGRATIONS_DIRECTORY, readMigrations } from '../migrate/files.js';

/** What runs here: for a bug report. */
export interface ReleaseFacts {
  readonly version: string;
  /** Of the checkout that it was built in, with `-dirty` where that had changes; undefined where nobody knows. */
  readonly commit: string | undefined;
  readonly node: string;
  readonly openssl: string;
  /** The client of PostgreSQL, a package. */
  readonly pg: string;
  /** The newest migration that this release brings: what a database has says `migrate status`. */
  readonly migrationsHead: string;
  readonly platform: string;
}

export async function releaseFacts(): Promise<ReleaseFacts> {
  const require = createRequire(import.meta.url);
  const { version } = require('../../package.json') as Package;
  const { version: pg } = require('pg/package.json') as Package;
  const migrations = await readMigrations(MIGRATIONS_DIRECTORY);
  return {
    version,
    commit: builtFrom(),
    node: process.versions.node,
    openssl: process.versions.openssl,
    pg,
    migrationsHead: migrations.at(-1)?.file.replace(/\.sql$/, '') ?? '',
    platform: `${process.platform} ${process.arch}`,
  };
}

interface Package {
  readonly version: string;
}

/** scripts/build.mjs has left it beside what it built. */
function builtFrom(): string | undefined {
  try {
    const text = readFileSync(new URL('../build.json', import.meta.url), 'utf8');
    return (JSON.parse(text) as { readonly commit?: string }).commit;
  } catch {
    return undefined;
  }
}
