import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startDjango, type Django, type DjangoOptions } from '../support/django.js';
import { freshDatabase } from '../support/postgres.js';
import { startRedis } from '../support/redis.js';
import { BIN, startServer } from '../support/server.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

/** Django and carelink-tokens on one database. */
export interface Pair {
  readonly database: string;
  readonly django: Django;
  /** The public port of carelink-tokens. */
  readonly url: string;
  /** How many claims the server has written behind. */
  claimedInRedis(): Promise<number>;
  close(): Promise<void>;
}

export interface PairOptions extends Omit<DjangoOptions, 'database'> {
  /** Flags for `serve`. */
  readonly args?: readonly string[];
  /** Claims in a Redis of its own, and hears what Django does: `--blacklist auto`. */
  readonly async?: boolean;
}

export async function startPair({ args = [], async = false, ...options }: PairOptions = {}): Promise<Pair> {
  const database = await freshDatabase();
  const opened: (() => Promise<void>)[] = [() => database.drop()];
  const close = async () => {
    for (const release of opened.splice(0).reverse()) await release();
  };
  try {
    const django = await startDjango({ ...options, database: database.url });
    opened.push(() => django.stop());
    const redis = async ? await startRedis() : undefined;
    if (redis !== undefined) opened.push(() => redis.stop());
    const shared = redis === undefined ? [] : ['--redis-url', `redis://127.0.0.1:${redis.port}`];
    const server = await startMigrated(database.url, [...args, ...shared], options.signingKey, async);
    opened.push(() => server.stop());
    // What is made from a second after its start on is claimed in Redis.
    if (async) await sleep(1_500);
    const claimedInRedis = async () => {
      const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
      const waiting = Number(/^carelink_outbox_depth (\d+)/m.exec(metrics)?.[1] ?? NaN);
      return (
        waiting +
        Number(/^carelink_background_writes_total\{result="written"\} (\d+)/m.exec(metrics)?.[1] ?? NaN)
      );
    };
    return { database: database.url, django, url: server.url, claimedInRedis, close };
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
  notify = false,
) {
  const migrate = [BIN, 'migrate', '--database-url', databaseUrl, ...(notify ? ['--notify'] : [])];
  await promisify(execFile)(process.execPath, migrate);
  return startServer({ databaseUrl, args: [...args], env: { CARELINK_SIGNING_KEY: key } });
}
