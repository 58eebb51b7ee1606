import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbedded } from '../../src/store/embedded.js';

/** The embedded PostgreSQL is started in a worker thread, which has to be the built one. */
export const EMBEDDED_WORKER = new URL('../../dist/store/embedded-worker.js', import.meta.url);

/**
 * A data directory with an empty cluster in it. A first start makes the cluster, which takes 5 s of a processor; it is
 * the same for all, so it is made once for a version of PGlite and copied. Tests of a first start do without.
 */
export async function embeddedDirectory(name: string): Promise<string> {
  const template = await templateDirectory();
  const directory = mkdtempSync(join(tmpdir(), `carelink-${name}-`));
  cpSync(template, directory, { recursive: true });
  return directory;
}

const MODULES = fileURLToPath(new URL('../../node_modules/', import.meta.url));

async function templateDirectory(): Promise<string> {
  const manifest = readFileSync(join(MODULES, '@electric-sql/pglite/package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  const cache = join(MODULES, '.cache/carelink-tokens');
  const template = join(cache, `pglite-${version}`);
  if (existsSync(template)) return template;
  mkdirSync(cache, { recursive: true });
  const made = mkdtempSync(join(cache, 'new-'));
  const embedded = await startEmbedded({ dataDir: made, workerUrl: EMBEDDED_WORKER });
  await embedded.stop();
  try {
    renameSync(made, template);
  } catch (error) {
    // Another test process was faster.
    rmSync(made, { recursive: true });
    if (!existsSync(template)) throw error;
  }
  return template;
}
