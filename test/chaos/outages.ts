import { setTimeout as sleep } from 'node:timers/promises';
import { type Fleet, type Load, readFinalRows, startFleet, startLoad } from '../support/fleet.js';
import {
  type Cluster,
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  startCluster,
} from '../support/postgres.js';
import {
  type RedisCluster, type RedisServer, type SentinelSetup, startRedis, startRedisCluster, startSentinels, until,
} from '../support/redis.js'; // prettier-ignore
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { issueTokens } from '../support/tokens.js';
import type { Attempt, History } from './history.js';
import { groupBy } from './history-index.js';
import { GRACE_MS } from './kill.js';
import { migrate } from './migrate.js';

export const SERVERS = 4;
const USERS = 40;
/** The share of refreshes sent twice at once: races go on while things are broken. */
const TWINS = 0.1;
/** Short, so that what can't be answered is answered 503 within the run. */
const REQUEST_TIMEOUT_MS = 1_000;
/** Only a bound against waiting for ever. */
const PATIENCE_MS = 60_000;

/** What the servers share, and what can be broken of it. */
export interface Theatre {
  readonly fleet: Fleet;
  readonly load: Load;
  readonly redis: RedisServer;
  readonly postgres: Cluster | undefined;
  readonly cluster: RedisCluster | undefined;
  readonly sentinels: SentinelSetup | undefined;
  /** The way from the first server to Redis. */
  readonly proxy: TcpProxy | undefined;
  readonly outages: Outage[];
  /** `doublesFound`: late double spends that the servers found; those of a dead one are gone with it. */
  end(): Promise<{ readonly history: History; readonly doublesFound: number }>;
  close(): Promise<void>;
}

export interface Outage {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Setting {
  readonly redis: 'single' | 'appendonly' | 'cluster' | 'sentinel';
  readonly ownPostgres?: boolean;
  readonly proxied?: boolean;
  /** Redis forgets, or isn't the same to all: a token may be claimed twice, which is found when the second is written. */
  readonly forgets?: boolean;
  /** With the triggers of migrate --notify: `--blacklist auto`. */
  readonly heard?: boolean;
}

/** Four servers that claim in Redis, and users that refresh all the time. */
export async function openTheatre(setting: Setting): Promise<Theatre> {
  const opened: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const release of opened.splice(0).reverse()) await release();
  };
  try {
    const postgres = setting.ownPostgres === true ? await startCluster() : undefined;
    if (postgres !== undefined) opened.push(() => postgres.stop());
    const database = await freshDatabase(postgres?.url);
    opened.push(() => database.drop());
    await createSimplejwtTables(database.url);
    await migrate(database.url, setting.heard === true ? ['--notify'] : []);

    const cluster = setting.redis === 'cluster' ? await startRedisCluster({ replicas: true }) : undefined;
    if (cluster !== undefined) opened.push(() => cluster.stop());
    const sentinels = setting.redis === 'sentinel' ? await startSentinels() : undefined;
    if (sentinels !== undefined) opened.push(() => sentinels.stop());
    const redis =
      cluster?.nodes[0] ??
      (await sentinels?.master()) ??
      (await startRedis(...(setting.redis === 'appendonly' ? ['--appendonly', 'yes'] : [])));
    if (cluster === undefined && sentinels === undefined) opened.push(() => redis.stop());
    const proxy = setting.proxied === true ? await startTcpProxy(redis.port) : undefined;
    if (proxy !== undefined) opened.push(() => proxy.stop());

    const nodes = (all: readonly RedisServer[]) => all.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const redisUrl = (index: number) => {
      if (cluster !== undefined) return `redis+cluster://${nodes(cluster.nodes)}`;
      if (sentinels !== undefined) return sentinels.url;
      return `redis://127.0.0.1:${index === 0 && proxy !== undefined ? proxy.port : redis.port}`;
    };
    const logins = await issueTokens(database.url, await createUsers(database.url, USERS));
    const fleet = await startFleet(SERVERS, (index) => ({
      databaseUrl: database.url,
      args: [
        '--blacklist', setting.heard === true ? 'auto' : 'async', '--redis-url', redisUrl(index),
        '--reuse-grace', `${GRACE_MS}ms`, '--request-timeout', `${REQUEST_TIMEOUT_MS}ms`, '--pool-size', '4',
      ],
    })); // prettier-ignore
    const load = startLoad({ logins, urls: () => fleet.urls(), twins: TWINS });
    let ended: Promise<void> | undefined;
    const end = () => (ended ??= load.stop().then(() => fleet.stop()));
    opened.push(end);
    const roots = new Map(logins.map(({ userId, jti }) => [String(userId), jti]));
    return {
      fleet,
      load,
      redis,
      postgres,
      cluster,
      sentinels,
      proxy,
      outages: [],
      async end() {
        fleet.assertAlive();
        await load.stop();
        // What a dead server owed is written by another within seconds; and what was answered has its rows then.
        await until(
          async () =>
            (await owed(
              cluster?.nodes.concat(cluster.replicas) ?? (await currentRedis(sentinels, redis)),
            )) === 0,
        );
        const found = await Promise.all(fleet.servers.map(({ adminUrl }) => written(adminUrl, 'double')));
        const doublesFound = found.reduce((a, b) => a + b);
        await end();
        const history = { roots, attempts: load.attempts, rows: await readFinalRows(database.url) };
        return { history, doublesFound };
      },
      close,
    };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

async function currentRedis(
  sentinels: SentinelSetup | undefined,
  redis: RedisServer,
): Promise<RedisServer[]> {
  return [sentinels === undefined ? redis : await sentinels.master()];
}

/** Entries of all outboxes. */
async function owed(nodes: readonly RedisServer[]): Promise<number> {
  const script =
    "local n = 0 for _, k in ipairs(redis.call('KEYS', 'carelink_tokens:*:outbox')) do n = n + redis.call('XLEN', k) end return n";
  const lengths = await Promise.all(
    nodes.map(async ({ cli }) => {
      if ((await cli('ROLE')).startsWith('slave')) return 0;
      return Number(await cli('EVAL', script, '0'));
    }),
  );
  return lengths.reduce((sum, length) => sum + length, 0);
}

export type Break = (theatre: Theatre, n: number) => Promise<void>;

/** Whatever is broken is whole again when the promise resolves. */
export const BREAKS = {
  'kill -9 of an instance': ({ fleet }, n) => fleet.replace(n % SERVERS),
  'kill -9 of Redis, with its data (appendonly)': ({ redis }) =>
    redis.restart({ downMs: Math.random() * 1_000 }),
  'kill -9 of Redis, without its data': ({ redis }) =>
    redis.restart({ empty: true, downMs: Math.random() * 1_000 }),
  'kill -9 of PostgreSQL': async ({ postgres }) => {
    await postgres!.kill9();
    await sleep(Math.random() * 2 * REQUEST_TIMEOUT_MS);
    await postgres!.start();
  },
  'Redis paused': async ({ redis }) => {
    redis.kill('SIGSTOP');
    await sleep(pauseMs());
    redis.kill('SIGCONT');
  },
  FLUSHALL: async ({ redis }) => {
    await redis.cli('FLUSHALL');
  },
  'one instance cut off from Redis': async ({ proxy }) => {
    proxy!.cut();
    await sleep(pauseMs() / 2);
    proxy!.heal();
  },
  'failover of a Redis Cluster': async ({ cluster }, n) => {
    const pair = [cluster!.nodes[n % 3]!, cluster!.replicas[n % 3]!];
    const roles = await Promise.all(pair.map(({ cli }) => cli('ROLE')));
    const at = roles[0]!.startsWith('master') ? 0 : 1;
    pair[at]!.kill('SIGKILL');
    await until(async () => (await pair[1 - at]!.cli('ROLE')).startsWith('master'));
    await until(async () => (await pair[1 - at]!.cli('CLUSTER', 'INFO')).includes('cluster_state:ok'));
    await pair[at]!.restart();
    await until(async () => (await pair[at]!.cli('INFO', 'replication')).includes('master_link_status:up'));
  },
  'failover by Sentinel': async ({ sentinels }) => {
    const master = await sentinels!.master();
    master.kill('SIGKILL');
    await until(async () => (await sentinels!.master()) !== master);
    const next = await sentinels!.master();
    await until(async () => (await next.cli('ROLE')).startsWith('master'));
    await master.restart();
    await until(async () => (await master.cli('INFO', 'replication')).includes('master_link_status:up'));
  },
} satisfies Record<string, Break>;

export type BreakName = keyof typeof BREAKS;

export const SETTINGS: Readonly<Record<BreakName, Setting>> = {
  'kill -9 of an instance': { redis: 'single' },
  'kill -9 of Redis, with its data (appendonly)': { redis: 'appendonly', forgets: true },
  'kill -9 of Redis, without its data': { redis: 'single', forgets: true },
  'kill -9 of PostgreSQL': { redis: 'single', ownPostgres: true },
  'Redis paused': { redis: 'single', forgets: true },
  FLUSHALL: { redis: 'single', forgets: true },
  'one instance cut off from Redis': { redis: 'single', proxied: true, heard: true, forgets: true },
  'failover of a Redis Cluster': { redis: 'cluster', forgets: true },
  'failover by Sentinel': { redis: 'sentinel', forgets: true },
};

/** 5 s where the run is long enough to show what comes of it. */
function pauseMs(): number {
  return process.env['LONG'] === '1' ? 5_000 : 1_000;
}

export async function breakOften(theatre: Theatre, name: BreakName, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await workGoesOn(theatre);
    const fromMs = Date.now();
    await BREAKS[name](theatre, n);
    theatre.outages.push({ fromMs, untilMs: Date.now() });
  }
  await workGoesOn(theatre);
}

/** Claims are taken in Redis again, and each user has been answered twice on average: else a break breaks nothing. */
async function workGoesOn({ fleet, load: { attempts } }: Theatre): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  const answered = () => attempts.filter(({ status }) => status === 200).length;
  const behind = async () =>
    (await Promise.all(fleet.servers.map(({ adminUrl }) => written(adminUrl)))).reduce((a, b) => a + b);
  const [before, behindBefore] = [answered(), await behind()];
  while (answered() < before + 2 * USERS || (await behind()) < behindBefore + USERS) {
    fleet.assertAlive();
    if (Date.now() > deadlineMs)
      throw new Error(`no progress: ${JSON.stringify(attempts.slice(-5), null, 2)}`);
    await sleep(100);
  }
  await sleep(Math.random() * 100);
}

/** How many claims a server has written behind; 0 where it can't say. */
async function written(adminUrl: string, result: 'written' | 'double' = 'written'): Promise<number> {
  const metrics = await fetch(`${adminUrl}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  );
  const line = new RegExp(`^carelink_background_writes_total\\{result="${result}"\\} (\\d+)`, 'm');
  return Number(line.exec(metrics)?.[1] ?? 0);
}

export interface Told {
  readonly outages: number;
  readonly requests: number;
  readonly granted: number;
  /** 429 and 503, and no answer at all. */
  readonly busy: number;
  readonly unavailable: number;
  readonly none: number;
  /** Tokens that were answered by two claims, with one successor; and how many such the servers found when they wrote. */
  readonly doubles: number;
  readonly doublesFound: number;
  /** The longest time from something's being whole again to the end of the last request that was answered 503 or not. */
  readonly lastErrorMs: number;
}

export function tell({ attempts }: History, outages: readonly Outage[], doublesFound: number): Told {
  const count = (status: Attempt['status']) => attempts.filter((attempt) => attempt.status === status).length;
  const failed = attempts.filter(({ status }) => status === 503 || status === 'none');
  const ends = outages.map(({ untilMs }, n) => {
    const nextMs = outages[n + 1]?.fromMs ?? Infinity;
    return Math.max(
      0,
      ...failed.filter(({ endedAtMs }) => endedAtMs < nextMs).map(({ endedAtMs }) => endedAtMs - untilMs),
    );
  });
  return {
    outages: outages.length,
    requests: attempts.length,
    granted: count(200),
    busy: count(429),
    unavailable: count(503),
    none: count('none'),
    doubles: [
      ...groupBy(
        attempts.filter(({ pair }) => pair !== undefined),
        ({ jti }) => jti,
      ).values(),
    ].filter((answers) => new Set(answers.map(({ pair }) => pair!.refresh)).size > 1).length,
    doublesFound,
    lastErrorMs: Math.round(Math.max(0, ...ends)),
  };
}
