import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations, type ApplyOptions } from '../../src/migrate/index.js';
import { query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { migrateWorld, watchedRun } from './migrate-support/world.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const EXPIRES = 'idx_outstanding_token_expires';
const WRITES = `INSERT INTO ${OUTSTANDING} (token, expires_at, jti) VALUES ('eyJ.secret.token', now(), gen_random_uuid())`;

describe.skipIf(services().postgres === undefined)('migrate beside other transactions', () => {
  const world = migrateWorld();
  let url: string;
  beforeEach(() => {
    url = world.url();
  });

  /** A transaction of somebody else's, left open. */
  const open = (...statements: string[]) => world.open('report', ...statements);
  const holdTable = () => open('BEGIN', WRITES);
  const holdSnapshot = () => open('BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT count(*) FROM auth_user');

  const run = (options: Partial<ApplyOptions> = {}) => watchedRun(url, { names: [EXPIRES], ...options });
  const indexes = () =>
    query<{ valid: boolean }>(
      url,
      `SELECT indisvalid AS valid FROM pg_index WHERE indexrelid = to_regclass('${EXPIRES}')`,
    );

  it('tells who blocks a build, without the values in his statement, and goes on when he has ended', async () => {
    const holder = await holdTable();
    const { done, seen } = run();
    const { blockers } = await seen('index_waiting');
    expect(blockers).toMatchObject([
      {
        user: 'postgres',
        application: 'report',
        state: 'idle in transaction',
        query: `INSERT INTO ${OUTSTANDING} (token, expires_at, jti) VALUES ('…'`,
      },
    ]);
    expect(blockers[0]?.ageMs).toBeGreaterThan(0);
    const { progress } = await seen('index_progress');
    expect(progress.phase).toBe('waiting for writers before build');
    await holder.query('COMMIT');
    expect((await done).steps).toMatchObject([{ name: EXPIRES, outcome: 'applied' }]);
    expect(await indexes()).toEqual([{ valid: true }]);
  });

  it('stalls nobody while it waits', async () => {
    await holdTable();
    const { done, seen } = run();
    const other = await open("SET statement_timeout = '5s'");
    await seen('index_waiting');
    for (let i = 0; i < 50; i++) await other.query(WRITES);
    expect(await indexes()).toEqual([{ valid: false }]);
    await world.letGo();
    await done;
  });

  it('is not begun within --max-wait where a transaction holds on to the table', async () => {
    await holdTable();
    const { done } = run({ maxWaitMs: 1_500 });
    await expect(done).rejects.toMatchObject({ code: 'GAVE_UP' });
    expect(await indexes()).toEqual([]);
  });

  it('gives up after --max-wait where an old snapshot is in the way, and leaves no index', async () => {
    await holdSnapshot();
    const { done, events } = run({ maxWaitMs: 1_000 });
    const failed: unknown = await done.catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'GAVE_UP' });
    expect(String(failed)).toMatch(/session \d+/);
    expect(events.map(({ event }) => event)).toContain('leftover_dropped');
    expect(await indexes()).toEqual([]);
    // The lock of all runners is free again, and so is the way.
    await world.letGo();
    expect((await run().done).steps).toMatchObject([{ outcome: 'applied' }]);
  });

  it('is interrupted in good order', async () => {
    await holdSnapshot();
    const interrupt = new AbortController();
    const { done, seen } = run({ signal: interrupt.signal });
    await seen('index_waiting');
    interrupt.abort();
    await expect(done).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(await indexes()).toEqual([]);
  });

  it('says so where the invalid index can not be removed, and the next run removes it', async () => {
    const first = await holdTable();
    const { done, events, seen } = run({ maxWaitMs: 2_000 });
    // The build isn't begun while he holds on to the table; for whom came after him it is, and then waits.
    await seen('index_waiting');
    await holdTable();
    await first.query('COMMIT');
    const failed: unknown = await done.catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'GAVE_UP' });
    expect(String(failed)).toMatch(/the next run removes it/);
    expect(events.map(({ event }) => event)).toContain('leftover_stays');
    expect(await indexes()).toEqual([{ valid: false }]);
    await world.letGo();
    await run().done;
    expect(await indexes()).toEqual([{ valid: true }]);
  });

  it.each([2, 10])('works once where %i runners start at once, and none deadlocks', async (count) => {
    const runs = Array.from(
      { length: count },
      () => run({ names: undefined as never, maxWaitMs: 60_000 }).done,
    );
    const reports = await Promise.all(runs);
    const applied = reports.map(
      ({ steps }) => steps.filter(({ name, outcome }) => name === EXPIRES && outcome === 'applied').length,
    );
    expect(applied.reduce((sum, one) => sum + one, 0)).toBe(1);
    expect(await indexes()).toEqual([{ valid: true }]);
  });

  it('does not wait for another runner without end', async () => {
    await holdSnapshot();
    const first = run();
    await first.seen('index_waiting');
    const failed: unknown = await run({ maxWaitMs: 300 }).done.catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'LOCK_HELD' });
    expect(String(failed)).toMatch(/session \d+, at work for \d+ s/);
    await world.letGo();
    await first.done;
  });

  it('does not touch an index that somebody else is building at this moment', async () => {
    await holdSnapshot();
    const builder = await open();
    const building = builder.query(`CREATE INDEX CONCURRENTLY ${EXPIRES} ON ${OUTSTANDING} (expires_at, id)`);
    building.catch(() => undefined);
    while ((await indexes()).length === 0) await sleep(20);
    await expect(run().done).rejects.toMatchObject({ code: 'UNSAFE' });
    expect(await indexes()).toHaveLength(1);
  });

  it('is not ended or turned by what the database sets for its sessions', async () => {
    const name = new URL(url).pathname.slice(1);
    const settings = {
      lock_timeout: '50ms',
      statement_timeout: '200ms',
      default_transaction_isolation: 'serializable',
      default_transaction_read_only: 'on',
    };
    for (const [setting, value] of Object.entries(settings)) {
      await query(
        url,
        `SET default_transaction_read_only = off; ALTER DATABASE ${name} SET ${setting} = '${value}'`,
      );
    }
    const holder = await open('SET default_transaction_read_only = off', 'BEGIN', WRITES);
    const { done, seen } = run();
    await seen('index_waiting');
    await sleep(500);
    await holder.query('COMMIT');
    expect((await done).steps).toMatchObject([{ outcome: 'applied' }]);
  });

  it('tries again, shortly each time, for a lock that it needs', async () => {
    const holder = await open('BEGIN', `LOCK ${OUTSTANDING} IN SHARE UPDATE EXCLUSIVE MODE`);
    const { done, seen } = run({ names: ['autovacuum_outstanding'] });
    await seen('retry');
    await holder.query('COMMIT');
    expect((await done).steps).toMatchObject([{ outcome: 'applied' }]);
  });

  describe('as another role', () => {
    const role = `carelink_${Math.random().toString(36).slice(2)}`;
    const theirUrl = () => {
      const theirs = new URL(url);
      theirs.username = role;
      return theirs.href;
    };
    beforeEach(() => query(url, `CREATE ROLE ${role} LOGIN`));
    afterEach(() => query(url, `DROP OWNED BY ${role}; DROP ROLE ${role}`));

    it('is refused where it owns not the tables, before anything is changed', async () => {
      await query(url, `GRANT CREATE ON DATABASE ${new URL(url).pathname.slice(1)} TO ${role}`);
      await expect(applyMigrations(theirUrl(), { createTables: false })).rejects.toMatchObject({
        code: 'UNSAFE',
        message: expect.stringMatching(/Only the owner of token_blacklist_outstandingtoken/) as string,
      });
      expect(await query(url, "SELECT to_regnamespace('carelink') AS schema")).toEqual([{ schema: null }]);
    });

    it('needs no right to make schemas where the database’s owner has made ours for it', async () => {
      await query(
        url,
        `ALTER TABLE ${OUTSTANDING} OWNER TO ${role};
         ALTER TABLE token_blacklist_blacklistedtoken OWNER TO ${role};
         GRANT SELECT ON auth_user TO ${role};
         GRANT CREATE ON SCHEMA public TO ${role}`,
      );
      await expect(applyMigrations(theirUrl(), { createTables: false })).rejects.toMatchObject({
        message: expect.stringMatching(/CREATE SCHEMA carelink AUTHORIZATION/) as string,
      });
      await query(url, `CREATE SCHEMA carelink AUTHORIZATION ${role}`);
      const { steps } = await applyMigrations(theirUrl(), { createTables: false });
      expect(steps.map(({ outcome }) => outcome)).toContain('applied');
    });
  });
});
