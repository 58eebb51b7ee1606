import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examine } from '../../src/compose/doctor.js';
import { doctorSettings } from '../../src/config/doctor-settings.js';
import { ObservedDatabaseClock } from '../../src/store/database-clock.js';
import { DatabaseHealth } from '../../src/store/database-health.js';
import { readSchema } from '../../src/store/schema.js';
import { OWN_USERS, testDatabase } from '../support/database.js';
import { migratedDatabase } from '../support/migrated-database.js';
import { createUsers, openClient, type FreshDatabase } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens, TEST_SIGNING_KEY } from '../support/tokens.js';

/** What CREATE INDEX without CONCURRENTLY takes: everybody reads, and nobody writes. */
const SHARE = 'BEGIN; LOCK TABLE token_blacklist_blacklistedtoken IN SHARE MODE';

describe.skipIf(services().postgres === undefined)('a lock that lets read and not write', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await migratedDatabase();
  });
  afterAll(() => database.drop());

  it('is told by readiness and in the log as soon as a refresh meets it, and no longer than it lasts', async () => {
    const [user] = await createUsers(database.url, 1);
    const [token] = await issueTokens(database.url, [user!]);
    const server = await startServer({ databaseUrl: database.url, args: ['--request-timeout', '1s'] });
    const holder = await openClient(database.url);
    try {
      const refresh = () =>
        fetch(`${server.url}/account/token/refresh/`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ refresh: token!.token }),
        });
      const readiness = async () => {
        const response = await fetch(`${server.adminUrl}/readyz`);
        const { checks } = (await response.json()) as { checks: { database: string } };
        return [response.status, checks.database];
      };
      await holder.query(SHARE);
      expect((await refresh()).status).toBe(503);
      expect(await readiness()).toEqual([503, 'tables locked']);
      await holder.query('COMMIT');
      expect((await refresh()).status).toBe(200);
      expect(await readiness()).toEqual([200, 'ok']);
      expect(server.output()).toMatch(/"kind":"tables locked","cause":"a session locks a token table/);
    } finally {
      await holder.end();
      await server.stop();
    }
  });

  it('is over where no refresh comes, too; and one of a row alone is no such lock', async () => {
    const pool = testDatabase(database.url, { size: 2 });
    const holder = await openClient(database.url);
    let laterMs = 0;
    const monotonicMs = () => performance.now() + laterMs;
    try {
      const schema = await readSchema(pool, OWN_USERS);
      const clock = new ObservedDatabaseClock(monotonicMs, Date.now());
      const said: string[] = [];
      const health = new DatabaseHealth({
        database: pool, schema, clock, monotonicMs, needs: ['serve'], timeline: undefined,
        onState: (state) => said.push(state),
      }); // prettier-ignore
      /** As a claim does. */
      const write = async (): Promise<void> => {
        await pool
          .query('claim', {
            text: `SELECT set_config('lock_timeout', '50ms', false);
                   UPDATE token_blacklist_outstandingtoken SET jti = jti;
                   DELETE FROM token_blacklist_blacklistedtoken WHERE id = -1`,
          })
          .catch((error: unknown) => health.onFailed(error));
        await new Promise((resolve) => setTimeout(resolve, 200));
        laterMs += 1_000;
      };
      await health.read();
      await holder.query('BEGIN; SELECT 1 FROM token_blacklist_outstandingtoken FOR UPDATE');
      await write();
      expect(await health.check()).toBe('ok');
      await holder.query(`COMMIT; ${SHARE}`);
      await write();
      expect(await health.check()).toBe('tables locked');
      laterMs += 60_000;
      await health.look();
      expect(await health.check()).toBe('tables locked');
      await holder.query('COMMIT');
      await health.look();
      expect(await health.check()).toBe('ok');
      expect(said).toEqual(['ok', 'tables locked', 'ok']);
    } finally {
      await holder.end();
      await pool.end();
    }
  });

  const locks = async () => {
    const source = { env: { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY }, cwd: '/', readFile: () => '' };
    const all = await examine(doctorSettings({ 'database-url': database.url }, source));
    const { status, findings } = all.find(({ check }) => check === 'locks')!;
    return { status, says: findings.map(({ what, mend }) => `${what} ${mend}`).join('\n') };
  };

  it('is a fault to doctor, which names the session; so is one that waits for its turn behind a reader', async () => {
    expect(await locks()).toEqual({ status: 'ok', says: '' });
    const [holder, waiter] = [await openClient(database.url), await openClient(database.url)];
    const pid = async (client: typeof holder) =>
      (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
    try {
      const [first, second] = [await pid(holder), await pid(waiter)];
      await holder.query(SHARE);
      const held = await locks();
      expect(held.status).toBe('fault');
      expect(held.says).toMatch(
        new RegExp(
          `^Session ${first} locks token_blacklist_blacklistedtoken.*pg_terminate_backend\\(${first}\\);$`,
        ),
      );
      await holder.query('COMMIT; BEGIN; SELECT 1 FROM token_blacklist_blacklistedtoken');
      const waits = waiter
        .query('BEGIN; LOCK TABLE token_blacklist_blacklistedtoken IN ACCESS EXCLUSIVE MODE')
        .catch(() => 0);
      while (!(await locks()).says.includes('waits to lock'));
      expect((await locks()).says).toMatch(
        new RegExp(
          `^Session ${second} waits to lock .*behind session ${first}\\..*pg_terminate_backend\\(${first}\\);$`,
        ),
      );
      await holder.query('COMMIT');
      await waits;
    } finally {
      await holder.end();
      await waiter.end();
    }
  });
});
