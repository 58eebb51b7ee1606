/** The SQL function of rule 46: who may call it, with what, and whom it means. Transactions of a real Django: test/interop. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../cli/run.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { DJANGO_USERS } from '../../src/migrate/user-triggers.js';
import {
  createSimplejwtTables,
  freshDatabase,
  openClient,
  query,
  type FreshDatabase,
} from '../support/postgres.js';
import { services } from '../support/services.js';

const OUTSIDER = `carelink_outsider_${process.pid}`;

describe.skipIf(services().postgres === undefined)('revoke_user', () => {
  const opened: FreshDatabase[] = [];
  const database = async (): Promise<string> => {
    const fresh = await freshDatabase();
    opened.push(fresh);
    return fresh.url;
  };
  let url: string;
  beforeAll(async () => {
    url = await database();
    await createSimplejwtTables(url);
    await applyMigrations(url, { createTables: false });
    await query(url, `INSERT INTO auth_user (is_active) SELECT true FROM generate_series(1, 3)`);
    await query(url, `CREATE ROLE ${OUTSIDER} LOGIN`);
  });
  afterAll(async () => {
    await query(url, `DROP OWNED BY ${OUTSIDER}; DROP ROLE ${OUTSIDER}`);
    await Promise.all(opened.map((one) => one.drop()));
  });
  const call = (pk: unknown, reason: unknown, at = url, own = 'carelink') =>
    query<{ ended: number }>(at, `SELECT ${own}.revoke_user($1::text, $2) AS ended`, [pk, reason]);
  const state = (at = url, own = 'carelink') =>
    query(at, `SELECT (SELECT count(*) FROM ${own}.revoked_before) AS marks, (SELECT count(*) FROM ${own}.audit) AS rows`); // prettier-ignore

  it.each([
    [null, 'why', /primary key is needed/],
    ['', 'why', /primary key is needed/],
    [' ', 'why', /primary key is needed/],
    ['1', null, /reason of 1 to 1000/],
    ['1', '', /reason of 1 to 1000/],
    ['1', 'x'.repeat(1001), /reason of 1 to 1000/],
    ['99', 'why', /no user has the primary key 99/],
    ['anna', 'why', /invalid input syntax for type integer: "anna"/],
    ["1' OR true --", 'why', /invalid input syntax/],
  ])('refuses the key %j with the reason %j, and changes nothing', async (pk, reason, message) => {
    const before = await state();
    await expect(call(pk, reason)).rejects.toThrow(message);
    expect(await state()).toEqual(before);
  });

  it.each(['1', '1::smallint', '1::bigint', "'1'", "'1'::text"])(
    'takes a key as a driver writes it: %s',
    async (pk) => {
      expect(await query(url, `SELECT carelink.revoke_user(${pk}, 'why') AS ended`)).toEqual([{ ended: 0 }]);
    },
  );

  it('marks the beginning of the second, and never takes a later mark back', async () => {
    const later = '2100-01-01T00:00:00Z';
    await query(url, `INSERT INTO carelink.revoked_before VALUES ('3', $1)`, [later]);
    await call('3', 'why');
    await call('2', 'why');
    const marks = await query<{ user_key: string; at: Date; whole: boolean; ago: number }>(
      url,
      `SELECT user_key, at, at = date_trunc('second', at) AS whole, extract(epoch FROM clock_timestamp() - at)::float8 AS ago
         FROM carelink.revoked_before WHERE user_key IN ('2', '3') ORDER BY 1`,
    );
    expect(marks[1]!.at.toISOString()).toBe('2100-01-01T00:00:00.000Z');
    expect(marks[0]!.whole).toBe(true);
    expect(marks[0]!.ago).toBeLessThan(60);
  });

  it('is for whom it is granted, who needs no right on any table', async () => {
    const outsider = new URL(url);
    outsider.username = OUTSIDER;
    await expect(call('1', 'why', outsider.href)).rejects.toThrow(/permission denied/);
    const printed = await run(['migrate', 'grants', 'django', '--role', OUTSIDER, '--database-url', url]);
    expect(printed.stdout).toContain('GRANT EXECUTE ON FUNCTION carelink.revoke_user(text, text) TO');
    expect(printed.stdout).not.toMatch(/^GRANT .* ON (TABLE )?\S*(audit|blacklist|revoked_before)/m);
    await query(url, printed.stdout);
    expect(await call('1', 'why', outsider.href)).toEqual([{ ended: 0 }]);
    await expect(query(outsider.href, 'TABLE carelink.audit')).rejects.toThrow(/permission denied/);
    const rows = await query<{ actor: string }>(
      url,
      'SELECT actor FROM carelink.audit ORDER BY id DESC LIMIT 1',
    );
    expect(rows).toEqual([{ actor: `sql: ${OUTSIDER}` }]);
  });

  it('runs nothing that its caller put in its way', async () => {
    const client = await openClient(url);
    try {
      await client.query(`
        CREATE SCHEMA trap;
        CREATE FUNCTION trap.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT 'infinity'::timestamptz $$;
        CREATE FUNCTION trap.btrim(text) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;
        CREATE TEMPORARY TABLE auth_user (id int, is_active boolean);
        SET search_path = trap, pg_catalog, carelink;
        SET "carelink.quiet" = 'on'`);
      await expect(client.query(`SELECT carelink.revoke_user(''::text, 'why')`)).rejects.toThrow(/needed/);
      await client.query(`SELECT carelink.revoke_user('1'::text, 'why')`);
      const { rows } = await client.query<{ at: Date }>(
        `SELECT at FROM carelink.revoked_before WHERE user_key = '1'`,
      );
      expect(rows[0]!.at).toBeInstanceOf(Date);
    } finally {
      await client.end();
      await query(url, 'DROP SCHEMA trap CASCADE');
    }
  });

  it('finds the user of a uuid key however it is written, and closes his rows', async () => {
    const at = await database();
    await createSimplejwtTables(at, { userIdType: 'uuid' });
    await applyMigrations(at, { createTables: false });
    const [user] = await query<{ id: string }>(
      at,
      'INSERT INTO auth_user (is_active) VALUES (true) RETURNING id',
    );
    for (const pk of [user!.id, user!.id.replaceAll('-', '').toUpperCase()]) {
      await query(
        at,
        `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
         SELECT 'x', now(), now() + interval '1 h', $1::uuid, gen_random_uuid() FROM generate_series(1, 3)`,
        [user!.id],
      );
      expect(await call(pk, 'why', at)).toEqual([{ ended: 3 }]);
    }
    expect(await query(at, `SELECT carelink.revoke_user($1::uuid, 'why') AS ended`, [user!.id])).toEqual([{ ended: 0 }]); // prettier-ignore
    expect(await query(at, 'SELECT DISTINCT user_key FROM carelink.audit')).toEqual([{ user_key: user!.id }]);
    expect(await query(at, 'SELECT user_key FROM carelink.revoked_before')).toEqual([{ user_key: user!.id }]);
  });

  it('marks the key that tokens name, in the schema of its site, and is made anew for other columns', async () => {
    const at = await database();
    const site = new URL(at);
    await query(at, 'CREATE SCHEMA clinic');
    site.searchParams.set('options', '-c search_path=clinic');
    await createSimplejwtTables(at);
    await applyMigrations(at, { createTables: false });
    await query(
      at,
      `CREATE TABLE clinic.auth_user (LIKE public.auth_user INCLUDING ALL);
       ALTER TABLE clinic.auth_user ADD email text;
       CREATE TABLE clinic.token_blacklist_outstandingtoken (LIKE public.token_blacklist_outstandingtoken INCLUDING ALL);
       CREATE TABLE clinic.token_blacklist_blacklistedtoken (LIKE public.token_blacklist_blacklistedtoken INCLUDING ALL);
       ALTER TABLE clinic.token_blacklist_outstandingtoken ADD FOREIGN KEY (user_id) REFERENCES clinic.auth_user (id);
       ALTER TABLE clinic.token_blacklist_blacklistedtoken ADD FOREIGN KEY (token_id) REFERENCES clinic.token_blacklist_outstandingtoken (id);
       INSERT INTO clinic.auth_user (is_active, email) VALUES (true, 'anna@clinic'), (true, '')`,
    );
    const migrate = (userIdColumn?: string) =>
      applyMigrations(site.href, { createTables: false, users: { ...DJANGO_USERS, userIdColumn } });
    const outcomeOf = ({ steps }: Awaited<ReturnType<typeof migrate>>) =>
      steps.find(({ name }) => name === 'revoke_user')?.outcome;
    expect(outcomeOf(await migrate())).toBe('applied');
    expect(await call('1', 'why', at, 'carelink_clinic')).toEqual([{ ended: 0 }]);
    expect(outcomeOf(await migrate('email'))).toBe('applied');
    // Whoever says nothing of the column leaves it as it is.
    expect(outcomeOf(await migrate())).toBe('present');
    await call('1', 'why', at, 'carelink_clinic');
    // An empty key would mean everybody.
    await expect(call('2', 'why', at, 'carelink_clinic')).rejects.toThrow(/tokens do not name the user/);
    const marks = await query(at, 'SELECT user_key FROM carelink_clinic.revoked_before ORDER BY 1');
    expect(marks).toEqual([{ user_key: '1' }, { user_key: 'anna@clinic' }]);
    expect(await query(at, 'TABLE carelink.revoked_before')).toEqual([]);
    expect(await query(at, 'TABLE carelink.audit')).toEqual([]);
  });

  it('of a site without token tables marks, and is undone', async () => {
    const at = await database();
    await applyMigrations(at, { createTables: false, tokenTables: false });
    expect(await call('anna', 'why', at)).toEqual([{ ended: 0 }]);
    expect(await query(at, 'SELECT user_key FROM carelink.revoked_before')).toEqual([{ user_key: 'anna' }]);
    const early = await run(['migrate', 'down', 'audit', '--drop-tables', '--database-url', at]);
    expect([early.code, early.stderr]).toEqual([6, expect.stringContaining('migrate down revoke_user')]);
    expect(await call('anna', 'why', at)).toEqual([{ ended: 0 }]);
    const down = await run(['migrate', 'down', 'revoke_user', '--database-url', at]);
    expect([down.code, down.stdout]).toEqual([0, expect.stringContaining('removed')]);
    await expect(call('anna', 'why', at)).rejects.toThrow(/does not exist/);
    const kept = await run(['migrate', 'down', 'audit', '--database-url', at]);
    expect(kept.stdout).toContain('--drop-tables');
    expect(await query(at, 'SELECT count(*)::int AS n FROM carelink.audit')).toEqual([{ n: 2 }]);
  });

  it('roles that may revoke may record it, once the table is there', async () => {
    const at = await database();
    await createSimplejwtTables(at);
    await applyMigrations(at, { createTables: false, names: ['carelink_schema'] });
    await query(at, `GRANT INSERT ON carelink.revoked_before TO ${OUTSIDER}`);
    await applyMigrations(at, { createTables: false });
    const rights = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'].map(
      (right) => `has_table_privilege('${OUTSIDER}', 'carelink.audit', '${right}') AS "${right}"`,
    );
    expect(await query(at, `SELECT ${rights.join(', ')}`)).toEqual([
      { SELECT: true, INSERT: true, UPDATE: true, DELETE: false },
    ]);
    await query(at, `DROP OWNED BY ${OUTSIDER}`);
  });
});
