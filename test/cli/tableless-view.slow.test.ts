/** A site without the blacklist app whose users are a view: all of it is asked of the view, at each refresh. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pairOf, refresh, slide, verify } from '../interop/api.js';
import { grantedRole } from '../support/granted-role.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken, mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';
import { run } from './run.js';

const NONE = ['--token-tables', 'none'];
const USERS = ['--user-table', 'carelink_users', '--revoke-claim', 'hash_password'];
const NOBODY = { status: 401, body: { detail: 'No active account found for the given token.' } };
const CHANGED = { status: 401, body: { detail: "The user's password has been changed." } };

/** Everybody's password is the same; user 4 has none of the second table's rows. */
const SITE = `
  CREATE TABLE people (id int PRIMARY KEY, active boolean NOT NULL DEFAULT true, password text NOT NULL DEFAULT 'secret',
                       role text NOT NULL DEFAULT 'nurse');
  CREATE TABLE employment (user_id int NOT NULL, ends_on date NOT NULL);
  INSERT INTO people SELECT n FROM generate_series(1, 9) n;
  INSERT INTO employment SELECT n, current_date + 1 FROM generate_series(1, 9) n, generate_series(1, 2) WHERE n <> 4;
  CREATE VIEW carelink_users AS
  SELECT p.id, p.password,
         p.active AND EXISTS (SELECT FROM employment e WHERE e.user_id = p.id AND e.ends_on >= current_date) AS is_active,
         CASE WHEN p.role = 'broken' THEN jsonb_build_object('n', 1 / (p.id - p.id))
              ELSE jsonb_build_object('role', p.role) END AS claims
    FROM people p`;

const HASH = createHash('md5').update('secret').digest('hex').toUpperCase();

describe.skipIf(services().postgres === undefined)('a view of users, without token tables', () => {
  let database: FreshDatabase;
  let server: TestServer;
  const env = () => ({ DATABASE_URL: database.url, CARELINK_SIGNING_KEY: TEST_SIGNING_KEY });
  const sql = (text: string) => query(database.url, text);
  const login = (userId: number, claims: object = {}) =>
    mintRefresh({ userId, claims: { hash_password: HASH, ...claims } }).token;
  const roleOf = async (token: string) =>
    decodeToken(pairOf(await refresh(server.url, token)).access).claims['role'];

  beforeAll(async () => {
    database = await freshDatabase();
    await sql(SITE);
    expect((await run(['migrate', ...NONE], env())).code).toBe(0);
    server = await startServer({
      databaseUrl: database.url,
      args: ['--rotation', 'off', ...NONE, ...USERS],
    });
  });
  afterAll(async () => {
    await server.stop();
    await database.drop();
  });

  it('refuses who is inactive, gone, not employed, or of another password; at once, and both kinds of tokens', async () => {
    const sliding = (userId: number) =>
      mintRefresh({ userId, tokenType: 'sliding', claims: { hash_password: HASH, refresh_exp: 9e9 } }).token;
    for (const id of [1, 2, 3, 5, 6]) {
      expect((await refresh(server.url, login(id))).status).toBe(200);
      expect((await slide(server.url, sliding(id))).status).toBe(200);
    }
    await sql(`UPDATE people SET active = false WHERE id = 1; DELETE FROM people WHERE id = 2;
               UPDATE employment SET ends_on = current_date - 1 WHERE user_id = 3;
               UPDATE people SET password = 'another' WHERE id = 5`);
    for (const id of [1, 2, 3, 4]) {
      expect(await refresh(server.url, login(id))).toMatchObject(NOBODY);
      expect(await slide(server.url, sliding(id))).toMatchObject(NOBODY);
    }
    expect(await refresh(server.url, login(5))).toMatchObject(CHANGED);
    expect(await slide(server.url, sliding(5))).toMatchObject(CHANGED);
    // Who is inactive is told that, whatever the password.
    await sql(`UPDATE people SET password = 'another' WHERE id = 1`);
    expect(await refresh(server.url, login(1))).toMatchObject(NOBODY);
    expect((await refresh(server.url, login(6))).status).toBe(200);
  });

  it('puts the newest claims into each access token, over those of the token', async () => {
    const token = login(7, { role: 'from the log-in' });
    expect(await roleOf(token)).toBe('nurse');
    await sql(`UPDATE people SET role = 'clerk' WHERE id = 7`);
    expect(await roleOf(token)).toBe('clerk');
    expect((await verify(server.url, token)).status).toBe(200);
  });

  it('a row that raises hurts its own user alone', async () => {
    await sql(`UPDATE people SET role = 'broken' WHERE id = 8`);
    for (let round = 0; round < 5; round++) {
      const replies = await Promise.all([6, 8, 6, 7, 8].map((id) => refresh(server.url, login(id))));
      expect(replies.map(({ status }) => status)).toEqual([200, 503, 200, 200, 503]);
    }
    await sql(`UPDATE people SET role = 'nurse' WHERE id = 8`);
    expect((await refresh(server.url, login(8))).status).toBe(200);
  });

  it('needs no right but to read the view', async () => {
    const grants = await run(['migrate', 'grants', ...NONE, ...USERS], env());
    expect(grants.stdout).toContain('("id", "is_active", "password", "claims") ON public.carelink_users');
    expect(grants.stdout).not.toMatch(/people|employment|token_blacklist/);
    const users = {
      ...{ userTable: 'carelink_users', userIdColumn: undefined, userActiveColumn: 'is_active' },
      ...{ passwordHash: 'md5' as const },
    };
    const role = await grantedRole(database.url, ['serve'], { users, tokenTables: false });
    try {
      const args = ['--rotation', 'off', ...NONE, ...USERS];
      const granted = await startServer({ databaseUrl: role.url, args });
      const replies = await Promise.all([4, 6].map((id) => refresh(granted.url, login(id))));
      await granted.stop();
      expect(replies.map(({ status }) => status)).toEqual([401, 200]);
    } finally {
      await role.drop();
    }
    const doctor = await run(['doctor', '--rotation', 'off', ...NONE, ...USERS, '--json'], env());
    expect(doctor.stdout).not.toContain('"status":"fault"');
  });

  it('nobody gets in where the view is gone, and the server says so', async () => {
    await sql('ALTER VIEW carelink_users RENAME TO away');
    expect((await refresh(server.url, login(6))).status).toBe(503);
    await expect
      .poll(async () => (await fetch(`${server.adminUrl}/readyz`)).status, { timeout: 30_000 })
      .toBe(503);
    await sql('ALTER VIEW away RENAME TO carelink_users');
    await expect
      .poll(async () => (await refresh(server.url, login(6))).status, { timeout: 30_000 })
      .toBe(200);
  });

  it.each([
    ['no column that says who is active', 'SELECT id, password FROM people', 'USER_TABLE_MISSING'],
    ['no password to compare', 'SELECT id, active AS is_active FROM people', 'USER_TABLE_MISSING'],
    [
      'claims that are no jsonb',
      'SELECT id, active AS is_active, password, role AS claims FROM people',
      'USER_TABLE_MISSING',
    ],
  ])('a view with %s does not start', async (_, view, code) => {
    await sql(`DROP VIEW IF EXISTS other_users; CREATE VIEW other_users AS ${view}`);
    const serve = ['serve', '--rotation', 'off', ...NONE, '--port', '0', '--admin-port', '0', '--json'];
    const refused = await run(
      [...serve, '--user-table', 'other_users', '--revoke-claim', 'hash_password'],
      env(),
    );
    expect(refused.code).toBe(4);
    expect(refused.stdout + refused.stderr).toContain(code);
  });
});
