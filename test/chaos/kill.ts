import { setTimeout as sleep } from 'node:timers/promises';
import { type Fleet, type Load, readFinalRows, startFleet, startLoad } from '../support/fleet.js';
import { type Cluster, createSimplejwtTables, createUsers, freshDatabase } from '../support/postgres.js';
import { issueTokens } from '../support/tokens.js';
import type { Attempt, History } from './history.js';
import { groupBy, isUnclear } from './history-index.js';
import { migrate } from './migrate.js';

export const GRACE_MS = 30_000;
/** How long a refresh waits for the database where that is killed: short, so that some don't live to see it again. */
export const REQUEST_TIMEOUT_MS = 1_000;
/** Enough for requests to be in flight at any moment; more would only wait for the two processors of a small machine. */
const USERS = 40;
const SERVERS = 3;
/** The share of refreshes sent twice at once: races go on while things are killed. */
const TWINS = 0.1;
/** Only a bound against waiting for ever. */
const PATIENCE_MS = 60_000;

export interface Battle {
  readonly fleet: Fleet;
  readonly load: Load;
  readonly killedAtMs: number[];
  /** Lets the clients come to an end, stops the servers in order, and returns all that was seen. */
  end(): Promise<History>;
  /** Ends whatever still runs. */
  close(): Promise<void>;
}

/** Several servers on a fresh database, with users that refresh all the time. */
export async function startBattle(adminUrl?: string, args: readonly string[] = []): Promise<Battle> {
  const database = await freshDatabase(adminUrl);
  await createSimplejwtTables(database.url);
  await migrate(database.url);
  const logins = await issueTokens(database.url, await createUsers(database.url, USERS));
  const fleet = await startFleet(SERVERS, {
    databaseUrl: database.url,
    args: ['--reuse-grace', `${GRACE_MS}ms`, ...args],
  });
  const load = startLoad({ logins, urls: () => fleet.urls(), twins: TWINS });
  const roots = new Map(logins.map(({ userId, jti }) => [String(userId), jti]));
  let ended: Promise<void> | undefined;
  const end = () => (ended ??= load.stop().then(() => fleet.stop()));
  return {
    fleet,
    load,
    killedAtMs: [],
    end: async () => {
      fleet.assertAlive();
      await end();
      return { roots, attempts: load.attempts, rows: await readFinalRows(database.url) };
    },
    close: async () => {
      try {
        await end();
      } finally {
        await database.drop();
      }
    },
  };
}

/** Kills one server after another, each in the middle of its work, and puts a new one in its place. */
export async function killServers(battle: Battle, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await workGoesOn(battle);
    battle.killedAtMs.push(Date.now());
    await battle.fleet.replace(n % SERVERS);
  }
  await workGoesOn(battle);
}

/** Kills PostgreSQL, with all its backends, in the middle of their work, and starts it again. */
export async function killPostgres(battle: Battle, cluster: Cluster, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    await workGoesOn(battle);
    battle.killedAtMs.push(Date.now());
    await cluster.kill9();
    // Down for longer than requests may wait, or not: what waits is carried over the gap, or answered 503.
    await sleep(Math.random() * 2 * REQUEST_TIMEOUT_MS);
    await cluster.start();
  }
  await workGoesOn(battle);
}

/** Each user has been answered twice on average, and then some: a kill is only worth counting in the middle of load. */
async function workGoesOn({ fleet, load: { attempts } }: Battle): Promise<void> {
  const before = granted(attempts).length;
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (granted(attempts).length < before + 2 * USERS) {
    fleet.assertAlive();
    if (Date.now() > deadlineMs)
      throw new Error(`no progress: ${JSON.stringify(attempts.slice(-5), null, 2)}`);
    await sleep(10);
  }
  await sleep(Math.random() * 100);
}

const granted = (attempts: readonly Attempt[]) => attempts.filter(({ status }) => status === 200);

const inFlight = (attempts: readonly Attempt[], atMs: number) =>
  attempts.filter(({ sentAtMs, endedAtMs }) => sentAtMs < atMs && endedAtMs > atMs).length;

export interface Counts {
  readonly requests: number;
  /** Requests that had been sent and not answered at the moment of a kill; the least of all kills. */
  readonly inFlightAtKills: number;
  readonly granted: number;
  readonly refused: number;
  readonly busy: number;
  readonly unavailable: number;
  readonly noAnswer: number;
  /** Tokens that got no answer or 503, and then their successor. */
  readonly repeated: number;
  /** Those of them that certainly had been rotated before they were repeated: the answer was lost, not the request. */
  readonly resumed: number;
  /** How far the claims' times were seen to lag behind the clients' clock: what `resumed` leaves room for. */
  readonly clockLagMs: number;
}

export function count({ attempts, rows }: History, killedAtMs: readonly number[]): Counts {
  const withStatus = (status: Attempt['status']) =>
    attempts.filter((attempt) => attempt.status === status).length;
  const claimedAtMs = new Map<string, number>();
  const jtiOf = new Map(rows.outstanding.map(({ id, jti }) => [id, jti]));
  for (const { tokenId, blacklistedAtUs } of rows.blacklisted) {
    claimedAtMs.set(jtiOf.get(tokenId) ?? '', Number(blacklistedAtUs) / 1000);
  }
  /** How long before its first 200 was even asked for a token was claimed, by the claim's own time. */
  const leadMs = ([jti, asked]: [string, Attempt[]]) =>
    Math.min(...granted(asked).map(({ sentAtMs }) => sentAtMs)) - (claimedAtMs.get(jti) ?? Infinity);
  const answered = [...groupBy(attempts, ({ jti }) => jti)].filter(([, asked]) => granted(asked).length > 0);
  const repeated = answered.filter(([, asked]) => asked.some(isUnclear));
  // The servers' clock lags behind ours, so that a claim seems to come before the request that made it. How far it can
  // lag, tokens tell that were asked for once: theirs was no other's claim. Counted without that, a clock that was
  // 50 ms late made ten times as many resumptions as there were.
  const lagMs = Math.max(0, ...answered.filter(([, asked]) => asked.length === 1).map(leadMs));
  const resumed = repeated.filter((token) => leadMs(token) > lagMs);
  return {
    requests: attempts.length,
    inFlightAtKills: Math.min(...killedAtMs.map((killedAt) => inFlight(attempts, killedAt))),
    granted: withStatus(200),
    refused: withStatus(401),
    busy: withStatus(429),
    unavailable: withStatus(503),
    noAnswer: withStatus('none'),
    repeated: repeated.length,
    resumed: resumed.length,
    clockLagMs: Math.round(lagMs),
  };
}
