/** A site without simplejwt's blacklist app: `--token-tables none`. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blacklist, refresh, slide, verify } from '../interop/api.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';
import { run } from './run.js';

const ready = services().postgres !== undefined;
const NONE = ['--token-tables', 'none'];
const USERS = ['--user-table', 'auth_user'];

/** A minute ago, so that a mark of this second is later than it. */
const login = (userId = 1) => mintRefresh({ userId, iatSeconds: Math.floor(Date.now() / 1000) - 60 }).token;

describe.skipIf(!ready)('without token tables', () => {
  let database: FreshDatabase;
  const env = () => ({ DATABASE_URL: database.url, CARELINK_SIGNING_KEY: TEST_SIGNING_KEY });
  const serve = (...args: string[]) =>
    startServer({
      databaseUrl: database.url,
      args: ['--rotation', 'off', ...NONE, ...USERS, ...args],
      env: { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY },
    });

  beforeAll(async () => {
    database = await freshDatabase();
    await query(
      database.url,
      `CREATE TABLE auth_user (id int PRIMARY KEY, is_active boolean NOT NULL DEFAULT true);
       INSERT INTO auth_user VALUES (1), (2), (3), (4)`,
    );
  });
  afterAll(() => database.drop());

  test('migrate makes our own schema, and no table of simplejwt', async () => {
    expect(await run(['migrate', ...NONE], env())).toMatchObject({ code: 0 });
    const tables = await query<{ name: string }>(
      database.url,
      `SELECT schemaname || '.' || tablename AS name FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`,
    );
    const names = tables.map(({ name }) => name);
    expect(names).toContain('carelink.revoked_before');
    expect(names.filter((name) => !name.startsWith('carelink.'))).toEqual(['public.auth_user']);
    expect(await run(['migrate', 'status', ...NONE], env())).toMatchObject({ code: 0 });
    const grants = await run(['migrate', 'grants', ...NONE, ...USERS], env());
    expect(grants.stdout).toContain('ON public.auth_user');
    expect(grants.stdout).not.toContain('token_blacklist');
    const doctor = await run(['doctor', '--rotation', 'off', ...NONE, ...USERS, '--json'], env());
    expect(doctor.stdout).toContain('token_tables');
    expect(doctor.stdout).not.toContain('"status":"fault"');
  });

  test('where the users are has to be said: nothing refers to them', async () => {
    const { code, stderr } = await run(
      ['serve', '--rotation', 'off', ...NONE, '--port', '0', '--admin-port', '0'],
      env(),
    );
    expect(code).toBe(4);
    expect(stderr).toContain('--user-table');
  });

  test('serves as simplejwt does without the app; revoke works by marks, cleanup has nothing to do', async () => {
    const server = await serve();
    const { url, adminUrl } = server;
    const token = login();
    expect((await refresh(url, token)).body).toEqual({ access: expect.any(String) as string });
    expect((await verify(url, token)).status).toBe(200);
    expect((await blacklist(url, token)).body).toEqual({});
    expect((await refresh(url, token)).status).toBe(200);
    const sliding = mintRefresh({
      tokenType: 'sliding',
      claims: { refresh_exp: Math.floor(Date.now() / 1000) + 600 },
    }).token;
    expect((await slide(url, sliding)).status).toBe(200);
    await query(database.url, 'UPDATE auth_user SET is_active = false WHERE id = 4');
    expect((await refresh(url, login(4))).status).toBe(401);
    expect(
      (await slide(url, mintRefresh({ userId: 4, tokenType: 'sliding', claims: { refresh_exp: 9e9 } }).token))
        .status,
    ).toBe(401);

    const count = await run(['revoke', '--user', '1', ...NONE, ...USERS], env());
    expect(count.code).toBe(6);
    expect((await refresh(url, token)).status).toBe(200);
    expect(await run(['revoke', '--user', '1', '--yes', ...NONE, ...USERS], env())).toMatchObject({
      code: 0,
    });
    expect((await refresh(url, token)).status).toBe(401);
    expect((await verify(url, token)).status).toBe(400);
    expect((await refresh(url, login(2))).status).toBe(200);
    const all = ['revoke', '--issued-before', 'now', '--yes', ...NONE, ...USERS];
    expect(await run(all, env())).toMatchObject({ code: 0 });
    expect((await refresh(url, login(2))).status).toBe(401);

    const cleaned = await run(['cleanup', ...NONE], env());
    expect(cleaned.code).toBe(0);
    expect(cleaned.stdout + cleaned.stderr).toContain('nothing to clean up');
    expect(cleaned.stdout + cleaned.stderr).toContain('Cleaned up 0 expired token records');

    const ready = await fetch(`${adminUrl}/readyz`);
    expect(ready.status).toBe(200);
    const kpis = (await (await fetch(`${adminUrl}/kpis`)).json()) as {
      kpis: { id: string; verdict: string }[];
    };
    const unmeasured = kpis.kpis.filter(({ id }) =>
      ['cache_hit', 'concurrent_refresh', 'background'].includes(id),
    );
    expect(unmeasured.every(({ verdict }) => verdict === 'unmeasured')).toBe(true);
    await server.stop();
  });

  test('tables that appear, in whatever schema, stop a server that runs and are refused by every command', async () => {
    const server = await serve();
    const token = mintRefresh({ userId: 3, iatSeconds: Math.floor(Date.now() / 1000) + 0 }).token;
    await query(database.url, 'DELETE FROM carelink.revoked_before');
    expect((await refresh(server.url, token)).status).toBe(200);
    // Nobody but its owner may look into it, and no search path leads there.
    await query(
      database.url,
      `CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.token_blacklist_blacklistedtoken (id int);
       REVOKE ALL ON SCHEMA elsewhere FROM PUBLIC`,
    );
    // Where this took long, a look at the database's health has ended it already.
    const answer = await refresh(server.url, token).catch(() => undefined);
    expect([503, undefined]).toContain(answer?.status);
    expect((await server.exited).code).toBe(4);
    expect(server.output()).toContain('TABLES_THERE');

    // To a role that has no right at all the tables are as much there.
    const role = `carelink_nobody_${process.pid}_${Date.now()}`;
    await query(database.url, `CREATE ROLE ${role} LOGIN`);
    try {
      const url = new URL(database.url);
      url.username = role;
      await expect(
        query(url.href, 'SELECT 1 FROM elsewhere.token_blacklist_blacklistedtoken'),
      ).rejects.toThrow('permission denied');
      const { code, stderr } = await run(['serve', '--rotation', 'off', ...NONE, ...USERS, '--port', '0', '--admin-port', '0'], { ...env(), DATABASE_URL: url.href }); // prettier-ignore
      expect([code, stderr]).toEqual([
        4,
        expect.stringContaining('elsewhere.token_blacklist_blacklistedtoken'),
      ]);
    } finally {
      await query(database.url, `DROP ROLE ${role}`);
    }

    const doctor = await run(['doctor', '--rotation', 'off', ...NONE, ...USERS, '--json'], env());
    expect(doctor.stdout).toContain('elsewhere.token_blacklist_blacklistedtoken');
    expect(doctor.code).toBe(1);

    const port = ['--port', '0', '--admin-port', '0'];
    for (const words of [
      ['serve', '--rotation', 'off', ...USERS, ...port],
      ['migrate'],
      ['revoke', '--user', '1', '--yes', ...USERS],
      ['cleanup'],
    ]) {
      const { code, stderr } = await run([...words, ...NONE], env());
      expect([words[0], code]).toEqual([words[0], 4]);
      expect(stderr).toContain('elsewhere.token_blacklist_blacklistedtoken');
    }
  });
});

test('the embedded server tries each policy', async () => {
  for (const args of [
    ['--rotation', 'off', ...NONE],
    ['--rotation', 'offered'],
  ]) {
    const server = await startServer({ args });
    const { token } = mintRefresh();
    const reply = await refresh(server.url, token);
    expect(reply.status).toBe(200);
    expect(Object.keys(reply.body as object)).toEqual(
      args.includes('keep') ? ['access', 'refresh'] : ['access'],
    );
    expect((await refresh(server.url, token)).status).toBe(200);
    await server.stop();
  }
});
