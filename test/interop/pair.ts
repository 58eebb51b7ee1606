import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startDjango, type Django, type DjangoOptions } from '../support/django.js';
import { freshDatabase } from '../support/postgres.js';
import { BIN, startServer } from '../support/server.js';
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
  const opened: (() => Promise<void>)[] = [() => database.drop()];
  const close = async () => {
    for (const release of opened.splice(0).reverse()) await release();
  };
  try {
    const django = await startDjango({ ...options, database: database.url });
    opened.push(() => django.stop());
    const server = await startMigrated(database.url, args, options.signingKey);
    opened.push(() => server.stop());
    return { database: database.url, django, url: server.url, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The server on tables that are there already, with its own schema made first, as an operator does it. */
export async function startMigrated(
  databaseUrl: string,
  args: readonly string[] = [],
  key = TEST_SIGNING_KEY,
) {
  await promisify(execFile)(process.execPath, [BIN, 'migrate', '--database-url', databaseUrl]);
  return startServer({ databaseUrl, args: [...args], env: { CARELINK_SIGNING_KEY: key } });
}
