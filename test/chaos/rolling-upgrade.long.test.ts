/** Half of the servers are of the release before, half of this one, on one database and one Redis; then all are of this one. */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildEarlierRelease, hasEarlierRelease } from '../support/earlier-release.js';
import { readFinalRows, startFleet, startLoad } from '../support/fleet.js';
import { createSimplejwtTables, createUsers, freshDatabase } from '../support/postgres.js';
import { watchClaims } from '../support/redis-claims.js';
import { owedIn, startRedis, until } from '../support/redis.js';
import { cleanEnvironment } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';
import { checkHistory, describeViolation } from './history-checker.js';
import { groupBy } from './history-index.js';
import { migrate } from './migrate.js';

const SERVERS = 4;
const USERS = 40;
const SIDE_BY_SIDE_MS = 10_000;
/** Between two servers that are replaced. */
const STEP_MS = 2_000;
/** So long a server waits for Redis before it goes to PostgreSQL with the claim (COMMAND_TIMEOUT_MS). */
const REDIS_WAIT_MS = 100;

const ready = services().postgres !== undefined && services().redis !== undefined && hasEarlierRelease();

describe.skipIf(!ready)('a rolling upgrade under load', () => {
  let earlier: ReturnType<typeof buildEarlierRelease>;
  beforeAll(() => void (earlier = buildEarlierRelease()));
  afterAll(() => earlier.remove());

  it.each(['sync', 'async'])('loses nothing, has one winner each, and no fork: %s', async (mode) => {
    const database = await freshDatabase();
    const redis = await startRedis();
    const claims = await watchClaims(redis);
    try {
      await createSimplejwtTables(database.url);
      // As an operator does it: the release before has been at work, then the schema is brought up to date.
      const old = ['migrate', '--json', '--database-url', database.url, '--notify'];
      execFileSync(process.execPath, [earlier.bin, ...old], { env: cleanEnvironment(), stdio: 'pipe' });
      const upgraded = new Set([2, 3]);
      const fleet = await startFleet(SERVERS, (index) => ({
        databaseUrl: database.url,
        args: ['--blacklist', mode, '--redis-url', `redis://127.0.0.1:${redis.port}`, '--pool-size', '4'],
        ...(upgraded.has(index) ? {} : { bin: earlier.bin }),
      }));
      await sleep(1_500);
      const logins = await issueTokens(database.url, await createUsers(database.url, USERS));
      const load = startLoad({ logins, urls: () => fleet.urls(), twins: 0.3, pauseMs: 60 });
      await sleep(STEP_MS);
      // The schema of this release under both.
      await migrate(database.url, ['--notify']);
      await sleep(SIDE_BY_SIDE_MS);
      for (const index of [0, 1]) {
        upgraded.add(index);
        await fleet.replace(index, 'SIGTERM');
        await sleep(STEP_MS);
      }
      await load.stop();
      // Whoever owes it: what was answered has its rows then.
      await until(async () => (await owedIn([redis])) === 0);
      await fleet.stop();
      await claims.stop();
      const roots = new Map(logins.map(({ userId, jti }) => [String(userId), jti]));
      const history = { roots, attempts: load.attempts, rows: await readFinalRows(database.url) };
      const counts = new Map<string, number>();
      for (const { status } of load.attempts)
        counts.set(String(status), (counts.get(String(status)) ?? 0) + 1);
      const granted = groupBy(
        load.attempts.filter(({ status }) => status === 200),
        ({ jti }) => jti,
      );
      const doubles = [...granted].filter(([, answers]) => answers.length > 1);
      console.log(
        `${mode}: ${load.attempts.length} refreshes: ${JSON.stringify([...counts])}, twice: ${doubles.length}`,
      );
      // Both releases claim in Redis, under the same names, and believe each other: no token is claimed there twice.
      expect(claims.processes()).toBe(mode === 'async' ? SERVERS + 2 : 0);
      expect([...claims.ownersOf].filter(([, owners]) => owners.length > 1)).toEqual([]);
      // A server that Redis kept waiting (this machine is busy) asks PostgreSQL, which may not know yet what Redis took:
      // docs/reliability.md, "Answered twice". One claim is in Redis, and one answer came after the wait.
      const reached = !fleet.outputs().some((output) => output.includes('"redis_down"'));
      for (const [jti, answers] of doubles) {
        const tookMs = Math.max(...answers.map(({ sentAtMs, endedAtMs }) => endedAtMs - sentAtMs));
        expect({ jti, answers: answers.length, claims: claims.ownersOf.get(jti)?.length }).toEqual({
          jti,
          answers: 2,
          claims: 1,
        });
        if (reached) expect(tookMs).toBeGreaterThanOrEqual(REDIS_WAIT_MS);
      }
      const lateDoubles = doubles.length > 0;
      expect(checkHistory(history, { lateDoubles }).map(describeViolation)).toEqual([]);
      expect(counts.get('200')).toBeGreaterThan(10 * USERS);
      // A stop closes a port for a moment, and nobody is behind a balancer here: a client repeats.
      expect(
        [...counts.keys()].filter((status) => !['200', '401', '429', '503', 'none'].includes(status)),
      ).toEqual([]);
    } finally {
      await claims.stop();
      await redis.stop();
      await database.drop();
    }
  });
});
