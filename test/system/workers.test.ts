import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { checkHistory, describeViolation } from '../chaos/history-checker.js';
import { run } from '../cli/run.js';
import { readFinalRows, sendRefresh, startLoad } from '../support/fleet.js';
import { createUsers, type FreshDatabase, openClient } from '../support/postgres.js';
import { childrenOf, cpuTicks, isAlive } from '../support/processes.js';
import { startServer, type TestServer } from '../support/server.js';
import { owedIn, startRedis, type RedisServer } from '../support/redis.js';
import { services } from '../support/services.js';
import { issueTokens, TEST_SIGNING_KEY } from '../support/tokens.js';

/** Children are found in /proc: elsewhere these tests would need another way. */
const ready = services().postgres !== undefined && process.platform === 'linux';

const GRACE_MS = 30_000;
const USERS = 40;
/** One of each worker; with TEST_KILLS as many as one has the patience for. */
const KILLS = Number(process.env['TEST_KILLS'] ?? 2);
/** Longer than the other worker leaves a request unanswered; a halted one leaves it for good. */
const HALTED_MS = 1_000;

describe.skipIf(!ready)('serve --workers 2', () => {
  let database: FreshDatabase;
  let redis: RedisServer;
  beforeAll(async () => {
    database = await migratedDatabase({ notify: true });
    redis = await startRedis();
  });
  afterAll(async () => {
    await database.drop();
    await redis.stop();
  });

  const start = async (...args: string[]): Promise<TestServer> => {
    const server = await startServer({
      databaseUrl: database.url,
      args: ['--workers', '2', '--reuse-grace', `${GRACE_MS}ms`, '--pool-size', '4', ...args],
    });
    onTestFinished(() => server.stop());
    return server;
  };
  const logins = async (count: number) => issueTokens(database.url, await createUsers(database.url, count));

  it('shares the port, and counts as one', async () => {
    const server = await start();
    const tokens = await logins(200);
    const cpu = workersOf(server).map(cpuTicks);
    const answers = await Promise.all(
      tokens.map(({ token, userId }, n) => sendRefresh(server.url, String(userId), token, n)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(200).fill(200));
    expect(workersOf(server).map((pid, n) => cpuTicks(pid) > cpu[n]!)).toEqual([true, true]);

    expect(await scrape(server, 'carelink_token_refresh_total{outcome="rotated"}')).toBe(200);
    expect(await scrape(server, 'carelink_workers')).toBe(2);
    const { kpis } = (await admin(server, 'kpis')) as {
      kpis: { id: string; window: string; denominator: number; verdict: string }[];
    };
    expect(kpis.find(({ id, window }) => id === 'db_queries' && window === 'since_start')).toMatchObject({
      denominator: 200,
      verdict: 'pass',
    });
    expect(await admin(server, 'readyz')).toMatchObject({
      ready: true,
      checks: { workers: 'ok', database: 'ok' },
    });
  });

  it.each(['sync', 'async'])(
    'goes on when a worker is killed under load, loses nothing and forks nothing: %s',
    async (mode) => {
      const shared = ['--redis-url', `redis://127.0.0.1:${redis.port}`];
      const server = await start(...(mode === 'async' ? shared : []));
      await until(
        async () => ((await admin(server, 'kpis')) as { outbox: { mode: string } }).outbox.mode === mode,
      );
      const tokens = await logins(USERS);
      const load = startLoad({ logins: tokens, urls: () => [server.url], twins: 0.1 });
      const granted = () => load.attempts.filter(({ status }) => status === 200).length;
      let counted = 0;
      for (let kills = 0; kills < KILLS; kills++) {
        const before = granted();
        await until(() => granted() > before + 2 * USERS);
        // What is counted never falls, though who counted it is gone.
        const now = await scrape(server, 'carelink_token_refresh_total{outcome="rotated"}');
        expect(now).toBeGreaterThanOrEqual(counted);
        counted = now;
        // The older one: its successor may have no connection yet, and so no request to lose.
        const victim = workersOf(server)[0]!;
        // Halted first, so that it is sure to have requests in its hands when it dies.
        process.kill(victim, 'SIGSTOP');
        await until(() => load.pending().some((sentAtMs) => sentAtMs < Date.now() - HALTED_MS));
        process.kill(victim, 'SIGKILL');
        await until(() => !workersOf(server).includes(victim) && workersOf(server).length === 2);
        await until(async () => (await scrape(server, 'carelink_workers')) === 2);
      }
      await load.stop();
      if (mode === 'async') {
        expect(await scrape(server, 'carelink_background_writes_total{result="written"}')).toBeGreaterThan(0);
      }
      expect(await scrape(server, 'carelink_worker_deaths_total')).toBe(KILLS);
      // What a dead worker owed is taken over by the others, the rest is written before the last of them ends.
      await until(async () => (await owedIn([redis])) === 0);
      await server.stop();
      const history = {
        roots: new Map(tokens.map(({ userId, jti }) => [String(userId), jti])),
        attempts: load.attempts,
        rows: await rowsOf(tokens.map(({ userId }) => String(userId))),
      };
      expect(checkHistory(history, { graceMs: GRACE_MS }).map(describeViolation)).toEqual([]);
      expect(load.attempts.some(({ status }) => status === 'none')).toBe(true);
    },
  );

  it('finishes what is in flight on SIGTERM, and leaves no process behind', async () => {
    const server = await start();
    const workers = workersOf(server);
    const tokens = await logins(8);
    const holder = await openClient(database.url);
    try {
      await holder.query('BEGIN');
      await holder.query('LOCK token_blacklist_blacklistedtoken');
      const answers = Promise.all(
        tokens.map(({ token, userId }, n) => sendRefresh(server.url, String(userId), token, n)),
      );
      // All of them have begun: what isn't read yet when the drain begins may be turned away.
      await until(async () => (await scrape(server, 'carelink_cache_lookups_total{result="unknown"}')) === 8);
      server.kill('SIGTERM');
      await until(async () => isDraining(await admin(server, 'readyz')));
      expect(await admin(server, 'readyz')).toMatchObject({ ready: false });
      await holder.query('COMMIT');
      expect((await answers).map(({ status }) => status)).toEqual(Array(8).fill(200));
    } finally {
      await holder.end();
    }
    expect(await server.exited).toEqual({ code: 0, signal: null });
    expect(workers.filter(isAlive)).toEqual([]);
    // They ended when they were told to, and not when the patience with them did.
    expect(server.output()).not.toContain('workers_killed');
  });

  it.each(['SIGKILL', 'SIGTERM twice'])(
    'of which the first process is ended at once by %s, leaves no worker',
    async (how) => {
      const server = await start('--shutdown-timeout', '10m');
      const workers = workersOf(server);
      expect(workers).toHaveLength(2);
      const holder = await openClient(database.url);
      await holder.query('BEGIN; LOCK token_blacklist_blacklistedtoken');
      const [login] = await logins(1);
      const answer = sendRefresh(server.url, String(login!.userId), login!.token, 0);
      await sleep(100);
      if (how === 'SIGKILL') {
        server.kill('SIGKILL');
      } else {
        server.kill('SIGTERM');
        await until(async () => isDraining(await admin(server, 'readyz')));
        server.kill('SIGTERM');
        expect(await server.exited).toEqual({ code: 130, signal: null });
      }
      await until(() => !workers.some(isAlive));
      expect(['none', 503]).toContain((await answer).status);
      await holder.end();
    },
  );

  it('that can not start says why once, with the exit code of one that is alone', async () => {
    const nowhere = database.url.replace(/carelink_test_\w+/, 'carelink_no_such_database');
    const args = ['serve', '--workers', '2', '--port', '0', '--admin-port', '0', '--database-url', nowhere];
    const { code, stderr, stdout } = await run(args, { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY });
    expect([code, stdout]).toEqual([4, '']);
    expect(
      stderr.match(/^error: DATABASE_MISSING: .*has no database carelink_no_such_database/gm),
    ).toHaveLength(1);
  });

  it('is refused with the embedded database', async () => {
    const { code, stderr } = await run(['serve', '--workers', '2', '--data-dir', '/nowhere']);
    expect(code).toBe(2);
    expect(stderr).toContain('--workers needs --database-url');
  });

  /** Of these users alone: the other tests' rows are no part of the history. */
  async function rowsOf(families: readonly string[]) {
    const { outstanding, blacklisted } = await readFinalRows(database.url);
    const own = outstanding.filter(({ family }) => families.includes(family));
    const ids = new Set(own.map(({ id }) => id));
    return { outstanding: own, blacklisted: blacklisted.filter(({ tokenId }) => ids.has(tokenId)) };
  }
});

const admin = async (server: TestServer, page: string): Promise<unknown> =>
  (await fetch(`${server.adminUrl}/${page}`)).json();

const isDraining = (readiness: unknown): boolean => (readiness as { draining: boolean }).draining;

async function scrape(server: TestServer, sample: string): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${sample} `));
  return Number(line?.slice(sample.length + 1));
}

/** Only a bound against hanging. */
const PATIENCE_MS = 60_000;

async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (!(await done())) {
    if (Date.now() > deadlineMs) throw new Error('it did not come to be');
    await sleep(10);
  }
}

const workersOf = ({ pid }: TestServer): number[] => childrenOf(pid);
