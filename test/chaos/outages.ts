import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/redis.js';
import type { Attempt } from './history.js';
import { groupBy } from './history-index.js';
import { type End, type Outage, REQUEST_TIMEOUT_MS, SERVERS, type Setting, type Theatre, USERS, written } from './theatre.js'; // prettier-ignore

/** Only a bound against waiting for ever. */
const PATIENCE_MS = 60_000;

export const IS_LONG = process.env['LONG'] === '1';

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
  return IS_LONG ? 5_000 : 1_000;
}

/** So soon after its return nothing is answered 503 any more. */
export const BACK_TO_NORMAL_MS = 5_000;

export async function breakOften(
  theatre: Theatre,
  names: readonly BreakName[],
  times: number,
): Promise<void> {
  for (let n = 0; n < times; n++) {
    for (const name of names) {
      await workGoesOn(theatre);
      const fromMs = Date.now();
      await BREAKS[name](theatre, n);
      theatre.outages.push({ fromMs, untilMs: Date.now() });
      // Else the next break would excuse what comes too late after this one.
      if (IS_LONG) await sleep(BACK_TO_NORMAL_MS + 1_000);
    }
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
  /** How often a server lost Redis, by what was broken or by being held up itself. */
  readonly redisLost: number;
  /** 503 and no answers before anything was broken: what this machine can't bear by itself. */
  readonly calmErrors: number;
  /** The longest time from something's being whole again to the end of the last request that was answered 503 or not. */
  readonly lastErrorMs: number;
}

export function tell({ history, doublesFound, redisLost }: End, outages: readonly Outage[]): Told {
  const { attempts } = history;
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
    redisLost,
    calmErrors: failed.filter(({ endedAtMs }) => endedAtMs < (outages[0]?.fromMs ?? Infinity)).length,
    lastErrorMs: Math.round(Math.max(0, ...ends)),
  };
}
