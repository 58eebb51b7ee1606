import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations, readMigrationOverview } from '../../src/migrate/index.js';
import { askOf } from '../../src/store/database.js';
import { readOwnSchemas } from '../../src/store/own-schemas.js';
import { readSchema } from '../../src/store/schema.js';
import { testDatabase } from '../support/database.js';
import { createSimplejwtTables, freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';

const CHECK = {
  userCheck: 'auto',
  userTable: undefined,
  userIdColumn: undefined,
  userActiveColumn: 'is_active',
} as const;

describe.skipIf(services().postgres === undefined)('a schema that is called like one of ours', () => {
  const role = `alike_${process.pid}`;
  let database: FreshDatabase;
  let url: string;
  let pool: ReturnType<typeof testDatabase>;
  const at = (schema: string): string => `${url}?options=-c%20search_path%3D${schema}`;
  /** Of our own schema, as a server finds it. */
  const own = async (): Promise<string> => (await readSchema(pool, CHECK)).own;
  beforeEach(async () => {
    database = await freshDatabase();
    ({ url } = database);
    pool = testDatabase(url, { size: 2 });
    await createSimplejwtTables(url);
    await query(url, `CREATE ROLE ${role} LOGIN`);
  });
  afterEach(async () => {
    await pool.end();
    await query(url, `DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`);
    await database.drop();
  });

  it('is not read where it is a stranger’s, whatever it says, and no new one is called like it', async () => {
    await query(
      url,
      `CREATE TABLE ran (who text);
       CREATE SCHEMA carelink_x AUTHORIZATION ${role}; CREATE SCHEMA carelink_y AUTHORIZATION ${role};
       CREATE SCHEMA carelink_z; CREATE SCHEMA carelink_t1 AUTHORIZATION ${role}; CREATE SCHEMA t1;
       CREATE FUNCTION carelink_x.run() RETURNS oid LANGUAGE plpgsql AS
         $$BEGIN INSERT INTO public.ran VALUES (current_user); RETURN 1; END$$;
       CREATE VIEW carelink_x.home AS SELECT 'x' AS schema, carelink_x.run() AS outstanding, 2::oid AS blacklisted;
       CREATE VIEW carelink_z.home AS SELECT 'x'::text AS schema, carelink_x.run() AS outstanding, 2::oid AS blacklisted;
       CREATE TABLE carelink_z.revoked_before (user_key text, at timestamptz);
       CREATE TABLE carelink_x.migrations (name text, checksum text);
       CREATE TABLE carelink_y.home AS SELECT 'public'::text AS schema, 1::oid AS outstanding, 2::oid AS blacklisted;
       CREATE TABLE carelink_t1.home AS SELECT * FROM carelink_y.home;
       ALTER FUNCTION carelink_x.run OWNER TO ${role}; ALTER VIEW carelink_x.home OWNER TO ${role};
       ALTER TABLE carelink_y.home OWNER TO ${role}`,
    );
    await expect(own()).rejects.toThrow(/Not looked into: carelink_t1 \(of alike.*OWNER TO/s);
    await applyMigrations(url, { createTables: false });
    expect(await own()).toBe('carelink');
    await createSimplejwtTables(at('t1'));
    await applyMigrations(at('t1'), { createTables: false });
    expect(await query(url, 'SELECT schema FROM carelink_t1_2.home')).toEqual([{ schema: 't1' }]);
    expect(await query(url, 'SELECT who FROM ran')).toEqual([]);
  });

  it('is ours where the owner of Django’s tables made it, or a member of that role', async () => {
    await applyMigrations(url, { createTables: false });
    await query(url, `ALTER SCHEMA carelink OWNER TO ${role}`);
    await expect(own()).rejects.toThrow(`Not looked into: carelink (of ${role})`);
    await query(
      url,
      `CREATE ROLE ${role}_django; GRANT ${role}_django TO ${role};
       ALTER TABLE token_blacklist_outstandingtoken OWNER TO ${role}_django`,
    );
    try {
      expect(await own()).toBe('carelink');
    } finally {
      await query(url, `REASSIGN OWNED BY ${role}_django TO postgres; DROP ROLE ${role}_django`);
    }
  });

  it('is nobody’s where its tables are something else, and one that goes meanwhile is not missed', async () => {
    await query(
      url,
      `CREATE SCHEMA carelink_portal; CREATE TABLE carelink_portal.home (id int);
       CREATE TABLE carelink_portal.migrations (id int); CREATE SCHEMA portal`,
    );
    await applyMigrations(url, { createTables: false });
    await createSimplejwtTables(at('portal'));
    await applyMigrations(at('portal'), { createTables: false });
    expect(await query(url, 'SELECT schema FROM carelink_portal_2.home')).toEqual([{ schema: 'portal' }]);
    expect(await own()).toBe('carelink');

    let asked = 0;
    const { owns } = await readOwnSchemas(
      async (text, values) => {
        if (++asked === 2) await query(url, 'DROP SCHEMA carelink_portal_2 CASCADE');
        return askOf(pool)(text, values);
      },
      [10],
    );
    expect(owns).toMatchObject([{ name: 'carelink', home: { schema: 'public' } }]);
  });

  it('has triggers of its own, also that of the site `tell`', async () => {
    await applyMigrations(url, { createTables: false, notify: true });
    await query(url, 'CREATE SCHEMA tell');
    await createSimplejwtTables(at('tell'));
    await applyMigrations(at('tell'), { createTables: false, notify: true });
    for (const schema of ['public', 'tell']) {
      const { migrations } = await readMigrationOverview(at(schema), { notify: true });
      const open = migrations.filter(({ state }) => !['applied', 'covered'].includes(state));
      expect(open).toEqual([]);
    }
    const [{ definition } = { definition: '' }] = await query<{ definition: string }>(
      url,
      `SELECT definition FROM carelink.migrations WHERE name = 'notify_changes'`,
    );
    expect(definition).not.toContain('carelink_tell_tell');
  });
});
