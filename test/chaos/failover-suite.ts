import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  readFinalRows,
  sendRefresh,
  startFleet,
  startLoad,
  type Fleet,
  type Load,
} from '../support/fleet.js';
import { createUsers } from '../support/postgres.js';
import { owedIn, startRedis, until, type RedisServer } from '../support/redis.js';
import { services } from '../support/services.js';
import { issueTokens, type MintedToken } from '../support/tokens.js';
import { backMs, checkFailovers, jtiOf, loggedOut, type Promotion } from './failover-judge.js';
import { describeViolation } from './history-checker.js';
import type { Attempt, FinalRows } from './history.js';
import { GRACE_MS } from './kill.js';
import { IS_LONG } from './outages.js';
import { Replicated, type Replication } from './replicated.js';

/** Two behind HAProxy, two that are given both hosts. */
const SERVERS = 4;
const USERS = 8;
const TWINS = 0.1;
const PAUSE_MS = 200;
const REQUEST_TIMEOUT_MS = 2_000;
/** Nobody waits longer for an answer after the promotion. */
const BACK_WITHIN_MS = 5_000;

export type Blacklisting = 'sync' | 'auto';

interface Play {
  readonly pair: Replicated;
  readonly fleet: Fleet;
  readonly redis: RedisServer | undefined;
  readonly logins: readonly MintedToken[];
  readonly loads: readonly Load[];
  readonly attempts: () => Attempt[];
}

export function describeFailovers(
  promotions: number,
  settings: readonly { readonly replication: Replication; readonly blacklist: Blacklisting }[],
): void {
  const { postgresBin, haproxy, redis } = services();
  const ready = postgresBin !== undefined && haproxy !== undefined && redis !== undefined;
  describe.skipIf(!ready)(`${promotions} failovers under load`, () => {
    it.each(settings)(
      '$replication standby, --blacklist $blacklist: refreshes go on, no family forks, nobody is logged out, what is lost is told',
      async ({ replication, blacklist }) => {
        const play = await begin(replication, blacklist);
        const seen: Promotion[] = [];
        for (let n = 0; n < promotions; n++) {
          if (n > 0) await play.pair.replace();
          seen.push(await failOver(play, replication, seen));
        }
        await progress(play);
        await Promise.all(play.loads.map((load) => load.stop()));
        const honest = play.attempts();
        const { redis } = play;
        // What was answered from Redis is written behind.
        if (redis !== undefined) await until(async () => (await owedIn([redis])) === 0);
        const rows = await readFinalRows(play.pair.url);
        const told = await lostAsTold(play.fleet, seen.at(-1)!);
        const revived = await presentAll(play, honest, seen);
        const after = await goOn(play, honest);
        await play.fleet.stop();

        const families = play.logins.map(({ userId }) => String(userId));
        const back = seen.map((promotion) => Math.round(backMs(honest, promotion, families)));
        const stands = spentIn(rows);
        const gone = seen.map((promotion) => [...promotion.lost].filter((jti) => !stands.has(jti)));
        const lost = gone.map((jtis) => jtis.length);
        const count = (status: Attempt['status']) =>
          honest.filter((attempt) => attempt.status === status).length;
        console.log(
          JSON.stringify({ replication, blacklist, refreshes: count(200), unavailable: count(503), refused: count(401), lost, told, revived: revived.size, backMs: back }),
        ); // prettier-ignore
        const roots = new Map(play.logins.map(({ userId, jti }) => [String(userId), jti]));
        const violations = checkFailovers({ roots, attempts: honest, rows }, seen, blacklist === 'auto');
        expect(violations.map(describeViolation)).toEqual([]);
        expect(loggedOut(honest)).toEqual([]);
        const everLost = new Set(seen.flatMap((promotion) => [...promotion.lost]));
        expect([...revived].filter((jti) => !everLost.has(jti))).toEqual([]);
        expect(after).toEqual(play.logins.map(() => 200));
        // On a machine that is busy the figure of a single one is the machine's.
        if (IS_LONG) expect(Math.max(...back)).toBeLessThan(BACK_WITHIN_MS);
        for (const n of lost) {
          if (replication === 'asynchronous') expect(n).toBeGreaterThan(0);
          else expect(n).toBe(0);
        }
        const tokens = new Set(gone.flat());
        expect(told).toBe(honest.filter(({ status, jti }) => status === 200 && tokens.has(jti)).length);
      },
    );
  });
}

async function begin(replication: Replication, blacklist: Blacklisting): Promise<Play> {
  const pair = await Replicated.start(replication, {
    closesSessions: true,
    migrateArgs: blacklist === 'auto' ? ['--notify'] : [],
  });
  onTestFinished(() => pair.stop());
  const redis = blacklist === 'auto' ? await startRedis() : undefined;
  if (redis !== undefined) onTestFinished(() => redis.stop());
  const shared = redis === undefined ? [] : ['--redis-url', `redis://127.0.0.1:${redis.port}`];
  const logins = await issueTokens(pair.url, await createUsers(pair.url, (SERVERS + 1) * USERS));
  const fleet = await startFleet(SERVERS, (n) => ({
    databaseUrl: n % 2 === 0 ? pair.urls.proxied : pair.urls.hosts,
    args: [
      '--blacklist', blacklist, ...shared, '--on-reuse', 'revoke-family', '--reuse-grace', `${GRACE_MS}ms`,
      '--request-timeout', `${REQUEST_TIMEOUT_MS}ms`, '--pool-size', '4',
    ],
  })); // prettier-ignore
  let stopped: Promise<unknown> | undefined;
  const loads = Array.from({ length: SERVERS + 1 }, (_, n) =>
    startLoad({
      logins: logins.slice(n * USERS, (n + 1) * USERS),
      // Some stay with their server, so that each of them is seen to go on; some come to all.
      urls: () => (n === SERVERS ? fleet.urls() : [fleet.urls()[n]!]),
      twins: TWINS,
      pauseMs: PAUSE_MS,
    }),
  );
  onTestFinished(() => (stopped ??= Promise.all(loads.map((load) => load.stop())).then(() => fleet.stop())).then(() => undefined)); // prettier-ignore
  return { pair, fleet, redis, logins, loads, attempts: () => loads.flatMap((load) => load.attempts) };
}

/** Kills the primary while its standby is behind, and lets the standby take over. */
async function failOver(
  play: Play,
  replication: Replication,
  before: readonly Promotion[],
): Promise<Promotion> {
  const { pair } = play;
  await progress(play);
  const cutAtMs = Date.now();
  pair.cut();
  // Synchronous, commits wait for the standby from here on.
  if (replication === 'synchronous') await sleep(500 + Math.random() * 1_000);
  else await progress(play);
  await pair.killPrimary();
  const killedAtMs = Date.now();
  await sleep(Math.random() * 1_500);
  // Before it takes over: once it has, a copy of a request may spend at once what was lost.
  const kept = spentIn(await pair.whatStandbyHas(readFinalRows));
  await pair.promote();
  const promotedAtMs = Date.now();
  const answered = play.attempts().filter(({ status, sentAtMs }) => status === 200 && sentAtMs < killedAtMs);
  const earlier = new Set(before.flatMap((promotion) => [...promotion.lost]));
  const lost = new Set(answered.map(({ jti }) => jti).filter((jti) => !kept.has(jti) && !earlier.has(jti)));
  const promotion = { cutAtMs, killedAtMs, promotedAtMs, lost };
  await expect
    .poll(() => backMs(play.attempts(), promotion, play.logins.map(({ userId }) => String(userId))), {
      timeout: 60_000,
    })
    .toBeLessThan(Infinity); // prettier-ignore
  return promotion;
}

/** Each user was answered twice on average. */
async function progress({ attempts, fleet, logins }: Play): Promise<void> {
  const granted = () => attempts().filter(({ status }) => status === 200).length;
  const before = granted();
  await expect
    .poll(
      () => {
        fleet.assertAlive();
        return granted() - before;
      },
      { timeout: 60_000 },
    )
    .toBeGreaterThan(2 * logins.length);
}

/** Somebody presents every token of a lost window at every server. Returns those that live again. */
async function presentAll(
  { fleet }: Play,
  honest: readonly Attempt[],
  promotions: readonly Promotion[],
): Promise<Set<string>> {
  const lost = new Set(promotions.flatMap((promotion) => [...promotion.lost]));
  const handedOut = new Map<string, string>();
  for (const { pair } of honest) {
    if (pair !== undefined && lost.has(jtiOf(pair.refresh))) handedOut.set(jtiOf(pair.refresh), pair.refresh);
  }
  const revived = new Set<string>();
  for (const [jti, token] of handedOut) {
    for (const url of fleet.urls()) {
      const { status } = await sendRefresh(url, '', token, 0);
      if (status === 200) revived.add(jti);
    }
  }
  return revived;
}

/** Every honest client refreshes once more, whatever others tried with its older tokens. */
function goOn({ fleet, logins }: Play, honest: readonly Attempt[]): Promise<Attempt['status'][]> {
  const tips = new Map<string, string>();
  for (const { family, pair } of [...honest].sort((a, b) => a.sentAtMs - b.sentAtMs)) {
    if (pair !== undefined) tips.set(family, pair.refresh);
  }
  return Promise.all(
    logins.map(async ({ userId, token }, n) => {
      const url = fleet.urls()[n % SERVERS]!;
      const { status } = await sendRefresh(url, String(userId), tips.get(String(userId)) ?? token, n);
      return status;
    }),
  );
}

/** What the servers themselves say that was lost, once all of them have looked after the last promotion. */
async function lostAsTold({ servers }: Fleet, { promotedAtMs }: Promotion): Promise<number> {
  const all = servers.map(async (server) => {
    const told = (event: string) =>
      [...server.output().matchAll(new RegExp(`^.*"event":"${event}".*$`, 'gm'))].map(
        ([line]) => JSON.parse(line) as { readonly time: string },
      );
    // A look for each cut that was noticed, the last one too; two in a row may be noticed as one.
    const looked = () => {
      const cuts = told('history_cut');
      const hasNoticed = Date.parse(cuts.at(-1)?.time ?? '') > promotedAtMs;
      return hasNoticed && told('answers_checked').length === cuts.length;
    };
    await expect.poll(looked, { timeout: 60_000 }).toBe(true);
    const metrics = async () => (await fetch(`${server.adminUrl}/metrics`)).text();
    await expect
      .poll(metrics, { timeout: 60_000 })
      .toMatch(/^carelink_alert_active\{code="HISTORY_CUT"\} 1$/m);
    return Number(/^carelink_commits_lost_total (\d+)/m.exec(await metrics())?.[1]);
  });
  return (await Promise.all(all)).reduce((a, b) => a + b);
}

function spentIn({ outstanding, blacklisted }: FinalRows): Set<string> {
  const spent = new Set(blacklisted.map(({ tokenId }) => tokenId));
  return new Set(outstanding.filter(({ id }) => spent.has(id)).map(({ jti }) => jti));
}
