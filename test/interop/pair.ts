import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startDjango, type Django, type DjangoOptions } from '../support/django.js';
import { freshDatabase } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

/** Django and carelink-tokens on one database. */
export interface Pair {
  readonly database: string;
  readonly django: Django;
  /** The public port of carelink-tokens. */
  readonly url: string;
  close(): Promise<void>;
}

export interface PairOptions extends Omit<DjangoOptions, 'database'> {
  /** Flags for `serve`. */
  readonly args?: readonly string[];
}

export async function startPair({ args = [], ...options }: PairOptions = {}): Promise<Pair> {
  const database = await freshDatabase();
  const django = await startDjango({ ...options, database: database.url });
  const server = await startMigrated(database.url, args, options.signingKey);
  return {
    database: database.url,
    django,
    url: server.url,
    async close() {
      await server.stop();
      await django.stop();
      await database.drop();
    },
  };
}

const BIN = fileURLToPath(new URL('../../bin/carelink-tokens.js', import.meta.url));

/** The server on tables that are there already, with its own schema made first, as an operator does it. */
export async function startMigrated(
  databaseUrl: string,
  args: readonly string[] = [],
  key = TEST_SIGNING_KEY,
) {
  await promisify(execFile)(process.execPath, [BIN, 'migrate', '--database-url', databaseUrl]);
  return startServer({ databaseUrl, args: [...args], env: { CARELINK_SIGNING_KEY: key } });
}
