import { type Fleet, type Load, readFinalRows, startFleet, startLoad } from '../support/fleet.js';
import {
  type Cluster,
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  query,
  startCluster,
} from '../support/postgres.js';
import {
  type RedisCluster, type RedisServer, type SentinelSetup, startRedis, owedIn, startRedisCluster, startSentinels, until,
} from '../support/redis.js'; // prettier-ignore
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { issueTokens } from '../support/tokens.js';
import type { History } from './history.js';
import { GRACE_MS } from './kill.js';
import { migrate } from './migrate.js';

export const SERVERS = 4;
export const USERS = 40;
/** The share of refreshes sent twice at once: races go on while things are broken. */
const TWINS = 0.1;
/** A third of what two cores bear: what is answered late is late because of what is broken. */
const PAUSE_MS = 200;
/** Short, so that what can't be answered is answered 503 within the run. */
export const REQUEST_TIMEOUT_MS = 2_000;

/** What the servers share, and what can be broken of it. */
export interface Theatre {
  readonly databaseUrl: string;
  readonly fleet: Fleet;
  readonly load: Load;
  readonly redis: RedisServer;
  readonly postgres: Cluster | undefined;
  readonly cluster: RedisCluster | undefined;
  readonly sentinels: SentinelSetup | undefined;
  /** The way from the first server to Redis. */
  readonly proxy: TcpProxy | undefined;
  readonly outages: Outage[];
  end(): Promise<End>;
  close(): Promise<void>;
}

export interface End {
  readonly history: History;
  /** Late double spends that the servers found; those of a dead one are gone with it. */
  readonly doublesFound: number;
  /** How often a server lost Redis, broken or not: on a busy machine one is held up for longer than an answer may take. */
  readonly redisLost: number;
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
    const load = startLoad({ logins, urls: () => fleet.urls(), twins: TWINS, pauseMs: PAUSE_MS });
    let ended: Promise<void> | undefined;
    const end = () => (ended ??= load.stop().then(() => fleet.stop()));
    opened.push(end);
    const roots = new Map(logins.map(({ userId, jti }) => [String(userId), jti]));
    return {
      databaseUrl: database.url,
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
        // What the database refused is written once it takes it.
        await until(
          async () => (await query(database.url, 'SELECT FROM carelink.dead_letters')).length === 0,
        );
        // What a dead server owed is written by another within seconds; and what was answered has its rows then.
        await until(
          async () =>
            (await owedIn(
              cluster?.nodes.concat(cluster.replicas) ?? (await currentRedis(sentinels, redis)),
            )) === 0,
        );
        const found = await Promise.all(fleet.servers.map(({ adminUrl }) => written(adminUrl, 'double')));
        const doublesFound = found.reduce((a, b) => a + b);
        await end();
        const history = { roots, attempts: load.attempts, rows: await readFinalRows(database.url) };
        return { history, doublesFound, redisLost: timesLost(fleet) };
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

/** How many claims a server has written behind; 0 where it can't say. */
export async function written(adminUrl: string, result: 'written' | 'double' = 'written'): Promise<number> {
  const metrics = await fetch(`${adminUrl}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  );
  const line = new RegExp(`^carelink_background_writes_total\\{result="${result}"\\} (\\d+)`, 'm');
  return Number(line.exec(metrics)?.[1] ?? 0);
}

/** Counted from a server's beginning to listen: until then it answers nobody. */
function timesLost(fleet: Fleet): number {
  return fleet.outputs().reduce((times, output) => {
    const [starting = '', serving = ''] = output.split('"event":"listening"');
    const connected =
      starting.lastIndexOf('"event":"redis_up"') > starting.lastIndexOf('"event":"redis_down"');
    return times + (connected ? 0 : 1) + serving.split('"event":"redis_down"').length - 1;
  }, 0);
}
