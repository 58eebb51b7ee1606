/** Policies that spend nothing, behind PgBouncer in transaction mode: each transaction may have another session. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../cli/run.js';
import { blacklist, refresh } from '../interop/api.js';
import { startBouncer, type Bouncer } from '../support/pgbouncer.js';
import { createSimplejwtTables, freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';

const ready = services().pgbouncer !== undefined && services().postgres !== undefined;
const NONE = ['--token-tables', 'none', '--user-table', 'auth_user'];

describe.skipIf(!ready)('behind PgBouncer in transaction mode', () => {
  let database: FreshDatabase;
  let bouncer: Bouncer;

  beforeAll(async () => {
    database = await freshDatabase();
    await query(
      database.url,
      `CREATE TABLE auth_user (id int PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
       INSERT INTO auth_user SELECT generate_series(1, 40)`,
    );
    bouncer = await startBouncer(database.url, {
      pool_mode: 'transaction',
      server_round_robin: '1',
      default_pool_size: '3',
    });
  });
  afterAll(async () => {
    await bouncer.stop();
    await database.drop();
  });

  const statuses = async (url: string, tokens: readonly string[]) =>
    (await Promise.all(tokens.map((token) => refresh(url, token)))).map(({ status }) => status);
  const logins = () => Array.from({ length: 40 }, (_, n) => mintRefresh({ userId: n + 1 }).token);
  const all = (status: number) => Array<number>(40).fill(status);

  test.each(['off', 'keep'])(
    '%s without token tables: answers all, sees users, and stops when the tables appear',
    async (policy) => {
      const migrated = await run(['migrate', '--token-tables', 'none'], { DATABASE_URL: database.url });
      expect(migrated).toMatchObject({ code: 0 });
      const server = await startServer({
        databaseUrl: bouncer.url,
        args: ['--rotation', policy, ...NONE],
      });
      try {
        const tokens = logins();
        for (let round = 0; round < 3; round++) expect(await statuses(server.url, tokens)).toEqual(all(200));
        await query(database.url, 'UPDATE auth_user SET is_active = false WHERE id = 7');
        expect((await refresh(server.url, tokens[6]!)).status).toBe(401);
        await query(database.url, 'UPDATE auth_user SET is_active = true WHERE id = 7');
        expect((await refresh(server.url, tokens[6]!)).status).toBe(200);
        expect((await fetch(`${server.adminUrl}/readyz`)).status).toBe(200);
        await query(database.url, 'CREATE TABLE token_blacklist_outstandingtoken (id bigint)');
        // Unless a look at its health came first: then it has ended already.
        const answer = refresh(server.url, tokens[0]!).then(({ status }) => status);
        expect([503, 'gone']).toContain(await answer.catch(() => 'gone'));
        expect((await server.exited).code).toBe(4);
      } finally {
        await server.stop();
        await query(database.url, 'DROP TABLE token_blacklist_outstandingtoken');
      }
    },
  );

  test('keep with them: answers all and records each, and a log-out holds at once', async () => {
    await query(database.url, 'DROP SCHEMA IF EXISTS carelink CASCADE; DROP TABLE auth_user');
    await createSimplejwtTables(database.url);
    try {
      await query(database.url, 'INSERT INTO auth_user SELECT generate_series(1, 40), true');
      expect(await run(['migrate'], { DATABASE_URL: database.url })).toMatchObject({ code: 0 });
      const server = await startServer({ databaseUrl: bouncer.url, args: ['--rotation', 'keep'] });
      try {
        const tokens = logins();
        for (let round = 0; round < 3; round++) expect(await statuses(server.url, tokens)).toEqual(all(200));
        // Three successors of each.
        const rows = 'SELECT count(*)::int AS count FROM token_blacklist_outstandingtoken';
        expect(await query(database.url, rows)).toEqual([{ count: 120 }]);
        const loggedOut = await Promise.all(tokens.map((token) => blacklist(server.url, token)));
        expect(loggedOut.map(({ status }) => status)).toEqual(all(200));
        expect(await statuses(server.url, tokens)).toEqual(all(401));
      } finally {
        await server.stop();
      }
    } finally {
      await query(
        database.url,
        'DROP TABLE token_blacklist_blacklistedtoken, token_blacklist_outstandingtoken',
      );
    }
  });
});
