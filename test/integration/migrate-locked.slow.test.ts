import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { type ApplyOptions, readMigrationOverview, removeMigrations } from '../../src/migrate/index.js';
import { openSession } from '../../src/migrate/session.js';
import { watchBuild } from '../../src/migrate/watch.js';
import { query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { migrateWorld, watchedRun } from './migrate-support/world.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const EXPIRES = 'idx_outstanding_token_expires';
const LOCKED = `LOCK ${OUTSTANDING} IN ACCESS EXCLUSIVE MODE`;

describe.skipIf(services().postgres === undefined)('migrate, where somebody holds a lock', () => {
  const world = migrateWorld();
  let url: string;
  beforeEach(() => {
    url = world.url();
  });

  const hold = (...statements: string[]) => world.open('nightly report', 'BEGIN', ...statements);
  const run = (options: Partial<ApplyOptions> = {}) => watchedRun(url, { names: [EXPIRES], ...options });
  const WHO = /session \d+ \(nightly report, idle in transaction, \d+ s old\)/;

  describe('on a whole table', () => {
    it('plan and status say who it is, and do not hang', async () => {
      await hold(LOCKED);
      await expect(readMigrationOverview(url)).rejects.toMatchObject({
        code: 'CONTENDED',
        message: expect.stringMatching(WHO) as string,
      });
    });

    it.each([
      ['up', (maxWaitMs: number) => run({ maxWaitMs }).done],
      ['down', (maxWaitMs: number) => removeMigrations(url, { maxWaitMs })],
    ])('%s gives up after --max-wait', async (_, change) => {
      await hold(LOCKED);
      await expect(change(1_000)).rejects.toMatchObject({
        code: 'CONTENDED',
        message: expect.stringMatching(WHO) as string,
      });
    });

    it('up goes on when he has ended', async () => {
      const holder = await hold(LOCKED);
      const { done, seen } = run();
      expect((await seen('retry')).blockers).toMatchObject([
        { application: 'nightly report', query: LOCKED },
      ]);
      await holder.query('COMMIT');
      expect((await done).steps).toMatchObject([{ outcome: 'applied' }]);
    });

    it('up can be interrupted', async () => {
      await hold(LOCKED);
      const interrupt = new AbortController();
      const { done, seen } = run({ signal: interrupt.signal });
      await seen('retry');
      interrupt.abort();
      await expect(done).rejects.toMatchObject({ code: 'INTERRUPTED' });
    });
  });

  it('says who holds the lock that a change of settings needs', async () => {
    await hold(`LOCK ${OUTSTANDING} IN SHARE UPDATE EXCLUSIVE MODE`);
    // Live traffic is in nobody's way.
    await hold(`INSERT INTO ${OUTSTANDING} (token, expires_at, jti) VALUES ('', now(), 'x')`);
    const { done, seen } = run({ names: ['autovacuum_outstanding'], maxWaitMs: 1_000 });
    await expect(done).rejects.toMatchObject({
      code: 'CONTENDED',
      message: expect.stringMatching(
        new RegExp(`in the way: ${WHO.source}\\. Try at a quieter time`),
      ) as string,
    });
    await seen('step_started');
  });

  it('ends a build that begins just after the interruption', async () => {
    const [builder, watcher] = [await openSession(url, 'builder'), await openSession(url, 'watcher')];
    try {
      const [row] = await builder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const stop = new AbortController();
      const timing = {
        monotonicMs: () => performance.now(),
        sleep: (ms: number, signal?: AbortSignal) => sleep(ms, undefined, signal ? { signal } : {}),
        random: Math.random,
      };
      const watching = watchBuild(
        {
          session: builder,
          watcher,
          timing,
          emit: () => undefined,
          lockTimeoutMs: 100,
          maxWaitMs: undefined,
          signal: AbortSignal.abort(),
          userTable: { userTable: undefined, userIdColumn: 'id', userActiveColumn: 'is_active' },
        },
        EXPIRES,
        row!.pid,
        stop.signal,
      );
      await sleep(200);
      await expect(builder.query('SELECT pg_sleep(20)')).rejects.toMatchObject({ code: '57014' });
      stop.abort();
      expect((await watching).why).toBe('interrupted');
    } finally {
      await builder.close();
      await watcher.close();
    }
  });

  it('outlives the idle_session_timeout of the database, while it waits for another run', async () => {
    const other = await world.open('other');
    await other.query('SELECT pg_advisory_lock(4846245131613457995)');
    await query(url, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET idle_session_timeout = '100ms'`);
    // On a busy machine a session may be ended before it has said anything: that isn't what this is about.
    let waiting = run({ maxWaitMs: 20_000 });
    while (!(await waiting.seen('lock_waiting').catch(() => false))) waiting = run({ maxWaitMs: 20_000 });
    const { done } = waiting;
    await sleep(2_000);
    await other.query('SELECT pg_advisory_unlock(4846245131613457995)');
    expect((await done).steps).toMatchObject([{ outcome: 'applied' }]);
  });
});
