/** What `revoke_user` may do: no more than the owner of the tables that it writes to, whose triggers it runs. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { run } from '../cli/run.js';
import {
  createSimplejwtTables,
  freshDatabase,
  openClient,
  query,
  type FreshDatabase,
} from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

const SITE = `carelink_site_${process.pid}`;
const DBA = `carelink_dba_${process.pid}`;
const TABLES = ['auth_user', 'token_blacklist_outstandingtoken', 'token_blacklist_blacklistedtoken'];
const TOKENS = 'token_blacklist_outstandingtoken';

describe.skipIf(services().postgres === undefined)('revoke_user, of another owner than who migrates', () => {
  let database: FreshDatabase;
  let url: string;
  const opened: FreshDatabase[] = [];
  const as = (role: string): string => {
    const their = new URL(url);
    their.username = role;
    return their.href;
  };
  beforeAll(() => query(services().postgres!, `CREATE ROLE ${SITE} LOGIN; CREATE ROLE ${DBA} LOGIN`));
  afterAll(async () => {
    await Promise.all(opened.map((one) => one.drop()));
    await query(services().postgres!, `DROP ROLE ${DBA}; DROP ROLE ${SITE}`);
  });
  beforeEach(async () => {
    database = await freshDatabase();
    opened.push(database);
    ({ url } = database);
    await createSimplejwtTables(url);
    for (const table of TABLES) await query(url, `ALTER TABLE ${table} OWNER TO ${SITE}`);
    await query(
      url,
      `GRANT CREATE ON SCHEMA public TO ${SITE}; INSERT INTO auth_user (is_active) VALUES (true)`,
    );
  });
  const rows = (n: number, expires = `now() + interval '1 h'`) =>
    query(
      url,
      `INSERT INTO ${TOKENS} (token, created_at, expires_at, user_id, jti)
       SELECT 'x', now() - interval '2 h', ${expires}, 1, gen_random_uuid() FROM generate_series(1, ${n})`,
    );
  const call = (at = as(SITE)) => query(at, `SELECT carelink.revoke_user('1'::text, 'why') AS ended`);
  const owners = (own = 'carelink') =>
    query(url, `SELECT DISTINCT pg_get_userbyid(proowner)::text AS owner FROM pg_proc WHERE pronamespace = $1::regnamespace AND proname = 'revoke_user'`, [own]); // prettier-ignore

  it('a superuser migrated: a trigger of the owner of the tables gets no right of his', async () => {
    await applyMigrations(url, { createTables: false });
    await query(
      as(SITE),
      `CREATE FUNCTION public.grab() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE ${SITE} SUPERUSER'; RETURN NULL; END $$;
       CREATE TRIGGER grab AFTER INSERT ON token_blacklist_blacklistedtoken EXECUTE FUNCTION public.grab()`,
    );
    await rows(1);
    await expect(call()).rejects.toThrow(/superuser/);
    expect(await query(url, `SELECT rolsuper FROM pg_roles WHERE rolname = '${SITE}'`)).toEqual([
      { rolsuper: false },
    ]);
    await query(as(SITE), 'DROP TRIGGER grab ON token_blacklist_blacklistedtoken');
    expect(await call()).toEqual([{ ended: 1 }]);
    expect(await owners()).toEqual([{ owner: SITE }]);
    // Made anew, undone, and made again.
    const outcomes = async (...args: string[]) =>
      (await run(['migrate', ...args, '--database-url', url])).code;
    expect(await outcomes('down', 'revoke_user')).toBe(0);
    await expect(call()).rejects.toThrow(/does not exist/);
    expect(await outcomes('up')).toBe(0);
    expect(await call()).toEqual([{ ended: 0 }]);
    expect(await outcomes('down', '--drop-tables', '--yes')).toBe(0);
    expect(await query(url, `SELECT FROM pg_namespace WHERE nspname = 'carelink'`)).toEqual([]);
  });

  it('follows the tables to another owner', async () => {
    await applyMigrations(url, { createTables: false });
    for (const table of TABLES) await query(url, `ALTER TABLE ${table} OWNER TO ${DBA}`);
    const { steps } = await applyMigrations(url, { createTables: false });
    expect(steps.find(({ name }) => name === 'revoke_user')?.outcome).toBe('applied');
    expect(await owners()).toEqual([{ owner: DBA }]);
  });

  it('a member of the owner gives it away, and keeps him out of the schema otherwise', async () => {
    await query(
      url,
      `GRANT ${SITE} TO ${DBA}; GRANT CREATE ON DATABASE ${new URL(url).pathname.slice(1)} TO ${DBA}`,
    );
    try {
      await applyMigrations(as(DBA), { createTables: false });
      expect(await owners()).toEqual([{ owner: SITE }]);
      await rows(2);
      expect(await call()).toEqual([{ ended: 2 }]);
      expect(await query(url, `SELECT has_schema_privilege('${SITE}', 'carelink', 'CREATE') AS may`)).toEqual([{ may: false }]); // prettier-ignore
      await query(as(DBA), `UPDATE carelink.migrations SET checksum = 'older' WHERE name = 'revoke_user'`);
      await applyMigrations(as(DBA), { createTables: false });
      expect(await call()).toEqual([{ ended: 0 }]);
    } finally {
      await query(url, `REVOKE ${SITE} FROM ${DBA}`);
    }
  });

  it('is refused where it can not be given away, and where the owner could not work with it', async () => {
    await query(
      url,
      `GRANT CREATE ON DATABASE ${new URL(url).pathname.slice(1)} TO ${DBA}; GRANT SELECT ON ${TABLES.join(', ')} TO ${DBA}`,
    );
    const names = ['carelink_schema', 'audit', 'revoke_user'];
    await expect(applyMigrations(as(DBA), { createTables: false, names })).rejects.toMatchObject({
      code: 'UNSAFE',
      message: expect.stringMatching(
        new RegExp(`has to belong to ${SITE}.*GRANT ${SITE} TO "${DBA}"`),
      ) as string,
    });
    await query(url, `ALTER TABLE auth_user OWNER TO postgres; ALTER TABLE ${TOKENS} OWNER TO postgres; REVOKE ALL ON auth_user FROM ${SITE}`); // prettier-ignore
    await expect(applyMigrations(url, { createTables: false, names })).rejects.toMatchObject({
      code: 'UNSAFE',
      message: expect.stringMatching(
        /GRANT SELECT ON .*auth_user TO .*GRANT UPDATE ON .*outstandingtoken TO/,
      ) as string,
    });
  });

  it('made for another key than the server reads: serve and doctor say so, until it is made anew', async () => {
    await query(url, 'ALTER TABLE auth_user ADD email text');
    await applyMigrations(url, { createTables: false });
    const args = ['--user-id-column', 'email'];
    const started = async () => {
      const server = await startServer({ databaseUrl: url, args });
      await server.stop();
      return server.output();
    };
    expect(await started()).toMatch(/migrate --user-id-column email.*revoke_user_key/);
    const examined = async () =>
      (await run(['doctor', '--database-url', url, ...args], { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY }))
        .stdout;
    expect(await examined()).toContain('revoke_user');
    expect((await run(['migrate', '--database-url', url, ...args])).code).toBe(0);
    expect(await started()).not.toContain('revoke_user_key');
    expect(await examined()).not.toContain('revoke_user');
  });

  it('leaves expired rows alone, and takes live ones a thousand a statement', async () => {
    await applyMigrations(url, { createTables: false });
    await rows(5, `now() - interval '1 h'`);
    await rows(2500);
    await query(
      url,
      `CREATE TABLE public.statements (rows int);
       CREATE FUNCTION public.tally() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
         INSERT INTO public.statements SELECT count(*) FROM added; RETURN NULL; END $$;
       CREATE TRIGGER tally AFTER INSERT ON token_blacklist_blacklistedtoken REFERENCING NEW TABLE AS added EXECUTE FUNCTION public.tally()`,
    );
    expect(await call()).toEqual([{ ended: 2500 }]);
    const told = await query<{ rows: number }>(
      url,
      'SELECT rows FROM public.statements WHERE rows > 0 ORDER BY 1',
    );
    expect(told.map(({ rows: one }) => one)).toEqual([500, 1000, 1000]);
  });

  it('takes a row whose JWT outlives it', async () => {
    await applyMigrations(url, { createTables: false });
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const exp = Math.floor(Date.now() / 1000) + 3_600;
    const token = `${part({ alg: 'HS256' })}.${part({ token_type: 'sliding', exp: exp - 7_200, renewable_until: exp })}.x`;
    await rows(1, `now() - interval '1 h'`);
    await query(url, `UPDATE ${TOKENS} SET token = $1`, [token]);
    expect(await call()).toEqual([{ ended: 1 }]);
  });

  it('a row that is deleted meanwhile does not fail the transaction', async () => {
    await applyMigrations(url, { createTables: false });
    await rows(3);
    const flush = await openClient(url);
    const django = await openClient(as(SITE));
    try {
      await flush.query('BEGIN');
      await flush.query(`DELETE FROM ${TOKENS} WHERE id = (SELECT min(id) FROM ${TOKENS})`);
      await django.query('BEGIN');
      const pid = (await django.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
      const called = django.query<{ ended: number }>(
        `SELECT carelink.revoke_user('1'::text, 'why') AS ended`,
      );
      for (;;) {
        const [row] = await query<{ waits: boolean }>(url, `SELECT coalesce(wait_event_type = 'Lock', false) AS waits FROM pg_stat_activity WHERE pid = $1`, [pid]); // prettier-ignore
        if (row?.waits === true) break;
      }
      await flush.query('COMMIT');
      expect((await called).rows).toEqual([{ ended: 2 }]);
      await django.query('COMMIT');
    } finally {
      await flush.end();
      await django.end();
    }
  });
});
