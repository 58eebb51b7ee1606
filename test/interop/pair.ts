import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startDjango, type Django, type DjangoOptions } from '../support/django.js';
import { freshDatabase } from '../support/postgres.js';
import { holdToDocument } from './http.js';
import { startRedis } from '../support/redis.js';
import { services } from '../support/services.js';
import { BIN, startServer, type TestServer } from '../support/server.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

/** How a session is spent: by one server in the database, or by any of four in their Redis. */
export interface Mode {
  readonly mode: string;
  readonly async: boolean;
  readonly servers: number;
}

export const SYNC: readonly Mode[] = [{ mode: 'claims in the database', async: false, servers: 1 }];
export const ASYNC: readonly Mode[] =
  services().redis === undefined ? [] : [{ mode: '4 servers, claims in Redis', async: true, servers: 4 }];
export const MODES = [...SYNC, ...ASYNC];

/** What Django does by itself is known to every server within a second; what is asked of the database, at once. */
export async function heard({ async }: Pick<Mode, 'async'>): Promise<void> {
  if (async) await sleep(1_000);
}

/** Servers of ours on one database, as a balancer would have them. */
export interface Instances {
  /** The public port of each. */
  readonly urls: readonly string[];
  /** Each time that it is read, the next one's. */
  readonly url: string;
  /** How many claims they have written behind. */
  claimedInRedis(): Promise<number>;
  close(): Promise<void>;
}

/** Django and carelink-tokens on one database. */
export interface Pair extends Instances {
  readonly database: string;
  readonly django: Django;
}

interface InstanceOptions {
  /** Flags for `serve`. */
  readonly args?: readonly string[];
  /** Flags for `migrate`. */
  readonly migrateArgs?: readonly string[];
  /** Claims in a Redis of its own, and hears what Django does: `--blacklist auto`. */
  readonly async?: boolean;
  readonly servers?: number;
  readonly signingKey?: string;
}

export interface PairOptions extends Omit<DjangoOptions, 'database'>, InstanceOptions {}

export async function startPair(options: PairOptions = {}): Promise<Pair> {
  const database = await freshDatabase();
  const opened: (() => Promise<void>)[] = [() => database.drop()];
  const close = async () => {
    for (const release of opened.splice(0).reverse()) await release();
  };
  try {
    const django = await startDjango({ ...options, database: database.url });
    opened.push(() => django.stop());
    const ours = await startMigrated(database.url, options);
    opened.push(() => ours.close());
    return {
      database: database.url,
      django,
      urls: ours.urls,
      get url() {
        return ours.url;
      },
      claimedInRedis: () => ours.claimedInRedis(),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Servers on tables that are there already, with their own schema made first, as an operator does it. */
export async function startMigrated(databaseUrl: string, options: InstanceOptions = {}): Promise<Instances> {
  const {
    args = [],
    migrateArgs = [],
    async = false,
    servers: wanted = 1,
    signingKey = TEST_SIGNING_KEY,
  } = options;
  const migrate = [
    BIN,
    'migrate',
    '--database-url',
    databaseUrl,
    ...(async ? ['--notify'] : []),
    ...migrateArgs,
  ];
  await promisify(execFile)(process.execPath, migrate);
  const redis = async ? await startRedis() : undefined;
  const servers: TestServer[] = [];
  const close = async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await redis?.stop();
  };
  const shared = redis === undefined ? [] : ['--redis-url', `redis://127.0.0.1:${redis.port}`];
  const started = await Promise.allSettled(
    Array.from({ length: wanted }, async () =>
      servers.push(
        await startServer({
          databaseUrl,
          args: [...args, ...shared],
          env: { CARELINK_SIGNING_KEY: signingKey },
        }),
      ),
    ),
  );
  const failed = started.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await close();
    throw failed.reason;
  }
  // What is made from a second after its start on is claimed in Redis.
  if (async) await sleep(1_500);
  const urls = servers.map(({ url }) => url);
  // At paths of their own they are not as the document has them.
  if (!args.some((arg) => /-path$/.test(arg))) urls.forEach(holdToDocument);
  let turn = 0;
  return {
    urls,
    get url() {
      return urls[turn++ % urls.length]!;
    },
    async claimedInRedis() {
      const told = await Promise.all(
        servers.map(async ({ adminUrl }) => {
          const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
          const value = (sample: string) =>
            Number(new RegExp(`^${sample} (\\d+)`, 'm').exec(metrics)?.[1] ?? 0);
          return (
            value('carelink_outbox_depth') + value('carelink_background_writes_total\\{result="written"\\}')
          );
        }),
      );
      return told.reduce((sum, claims) => sum + claims);
    },
    close,
  };
}
