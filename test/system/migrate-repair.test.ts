import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  applyMigrations,
  readMigrationOverview,
  removeMigrations,
  repairLedger,
} from '../../src/migrate/index.js';
import { run } from '../cli/run.js';
import { createSimplejwtTables, freshDatabase, openClient, query } from '../support/postgres.js';
import type { FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';

const EXPIRES = 'idx_outstanding_token_expires';
const SETTINGS = 'autovacuum_outstanding';

describe.skipIf(services().postgres === undefined)('migrate, at sites that have ways of their own', () => {
  let database: FreshDatabase;
  let url: string;
  beforeEach(async () => {
    database = await freshDatabase();
    ({ url } = database);
    await createSimplejwtTables(url);
  });
  afterEach(() => database.drop());

  const up = () => applyMigrations(url, { createTables: false });
  const states = async () => {
    const { migrations } = await readMigrationOverview(url);
    return new Set(migrations.map(({ state }) => state));
  };
  const SETTLED = new Set(['applied', 'covered']);
  const ledger = () => query(url, 'SELECT name, state, checksum FROM carelink.migrations ORDER BY name');

  describe('repair', () => {
    it('has nothing to do where the ledger is in order', async () => {
      await up();
      expect(await repairLedger(url, { dryRun: false })).toEqual([]);
    });

    it('writes a lost ledger anew, and loses nothing that was revoked', async () => {
      await up();
      await query(
        url,
        "INSERT INTO carelink.revoked_before VALUES ('7', now()); DROP TABLE carelink.migrations",
      );
      const { migrations } = await readMigrationOverview(url);
      expect(migrations.find(({ name }) => name === 'carelink_schema')).toMatchObject({
        state: 'drifted',
        detail: expect.stringMatching(/migrate repair/) as string,
      });

      const planned = await repairLedger(url, { dryRun: true });
      expect(planned).toContainEqual({
        name: 'cleanup_lease',
        action: 'record',
        detail: 'carelink.cleanup_lease is there, with the columns that it should have',
      });
      expect(await query(url, "SELECT to_regclass('carelink.migrations') AS ledger")).toEqual([
        { ledger: null },
      ]);
      expect(await repairLedger(url, { dryRun: false })).toEqual(planned);
      await up();
      expect(await states()).toEqual(SETTLED);
      expect(await query(url, 'SELECT user_key FROM carelink.revoked_before')).toEqual([{ user_key: '7' }]);
    });

    it('corrects entries that were altered, where what is there is as it should be', async () => {
      await up();
      const before = await ledger();
      await query(url, "UPDATE carelink.migrations SET checksum = 'edited'");
      expect(await states()).toContain('drifted');
      await repairLedger(url, { dryRun: false });
      await up();
      expect(await states()).toEqual(SETTLED);
      // Of what covers an index, or the tables, nobody compares a checksum.
      const applied = (rows: object[]) => rows.filter((row) => 'state' in row && row.state === 'applied');
      expect(applied(await ledger())).toEqual(applied(before));
    });

    it('puts a ledger with other columns aside', async () => {
      await up();
      await query(url, 'ALTER TABLE carelink.migrations DROP COLUMN checksum');
      expect(await repairLedger(url, { dryRun: true })).toMatchObject([
        { name: 'the ledger', action: 'correct' },
      ]);
      await repairLedger(url, { dryRun: false });
      await up();
      expect(await states()).toEqual(SETTLED);
      expect(await query(url, 'SELECT count(*) > 0 AS kept FROM carelink.migrations_before_repair')).toEqual([
        { kept: true },
      ]);
    });

    it('puts a second one aside under the next name, and down --drop-tables takes both away', async () => {
      for (const aside of ['migrations_before_repair', 'migrations_before_repair_2']) {
        await up();
        await query(url, 'ALTER TABLE carelink.migrations DROP COLUMN checksum');
        const told = [{ action: 'correct', detail: expect.stringContaining(`carelink.${aside},`) as string }];
        expect(await repairLedger(url, { dryRun: true })).toMatchObject(told);
        expect((await repairLedger(url, { dryRun: false })).slice(0, 1)).toMatchObject(told);
      }
      await up();
      expect(await states()).toEqual(SETTLED);
      await removeMigrations(url, { dropTables: true });
      expect(await query(url, "SELECT to_regnamespace('carelink') AS own")).toEqual([{ own: null }]);
    });

    it('works for a role that owns our schema and may make no other', async () => {
      const role = `carelink_${Math.random().toString(36).slice(2)}`;
      const theirs = new URL(url);
      theirs.username = role;
      await query(
        url,
        `CREATE ROLE ${role} LOGIN;
         GRANT SELECT ON auth_user TO ${role}; ALTER TABLE token_blacklist_outstandingtoken OWNER TO ${role};
         ALTER TABLE token_blacklist_blacklistedtoken OWNER TO ${role};
         CREATE SCHEMA carelink AUTHORIZATION ${role}; GRANT CREATE ON SCHEMA public TO ${role}`,
      );
      await applyMigrations(theirs.href, { createTables: false });
      await query(url, 'DROP TABLE carelink.migrations; ALTER TABLE carelink.audit DROP COLUMN reason');
      const planned = await repairLedger(theirs.href, { dryRun: true });
      expect(planned).toContainEqual(expect.objectContaining({ name: 'cleanup_lease', action: 'record' }));
      expect(planned).toContainEqual(expect.objectContaining({ name: 'audit', action: 'cannot' }));
      expect(await repairLedger(theirs.href, { dryRun: false })).toEqual(planned);
      await query(url, `REVOKE TEMPORARY ON DATABASE ${theirs.pathname.slice(1)} FROM PUBLIC`);
      await expect(repairLedger(theirs.href, { dryRun: true })).rejects.toMatchObject({
        code: 'UNSAFE',
        message: expect.stringMatching(/neither a schema nor temporary tables/) as string,
      });
      await query(url, `REASSIGN OWNED BY ${role} TO postgres; DROP OWNED BY ${role}; DROP ROLE ${role}`);
    });

    it('does not write down a table of another shape, and says what differs', async () => {
      await up();
      await query(
        url,
        'DROP TABLE carelink.migrations; ALTER TABLE carelink.cleanup_lease DROP COLUMN finished_at',
      );
      const told = await run(['migrate', 'repair'], { DATABASE_URL: url });
      expect(told.code).toBe(1);
      expect(told.stdout).toMatch(
        /cannot +cleanup_lease +carelink\.cleanup_lease is not the table .*finished_at/,
      );
      const dry = await run(['migrate', 'plan', '--dry-run'], { DATABASE_URL: url });
      expect(dry).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/--dry-run is for migrate repair/) as string,
      });
    });
  });

  it('plan, status and doctor call no event trigger, and up is told of by the one that is there', async () => {
    // As an audit of DDL does it: names its table without the schema, and forbids what it can't write down.
    await query(
      url,
      `CREATE TABLE ddl_audit (at timestamptz, what text);
       CREATE FUNCTION audit_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF current_setting('search_path') NOT LIKE '%public%' THEN RAISE EXCEPTION 'who are you?'; END IF;
         INSERT INTO ddl_audit SELECT now(), object_identity FROM pg_event_trigger_ddl_commands();
       END $$;
       CREATE EVENT TRIGGER audit_ddl ON ddl_command_end EXECUTE FUNCTION audit_ddl();
       CREATE FUNCTION no_temporary() RETURNS event_trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE schema_name = 'pg_temp')
           THEN RAISE EXCEPTION 'no temporary tables here'; END IF;
       END $$;
       CREATE EVENT TRIGGER no_temporary ON ddl_command_end EXECUTE FUNCTION no_temporary()`,
    );
    expect((await states()).has('pending')).toBe(true);
    await up();
    expect(await states()).toEqual(SETTLED);
    expect(
      await query(url, 'SELECT what FROM ddl_audit WHERE what = $1', [`public.${EXPIRES}`]),
    ).toHaveLength(1);
  });

  it('plan and status write nothing: where all DDL is refused they are the same', async () => {
    await query(
      url,
      `CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'DDL'; END$$;
       CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION refuse()`,
    );
    expect((await states()).has('pending')).toBe(true);
  });

  it('an index with another fillfactor, in another schema, is as good as before', async () => {
    await up();
    await query(
      url,
      `ALTER INDEX ${EXPIRES} SET (fillfactor = 70); CREATE SCHEMA app;
       ALTER TABLE token_blacklist_outstandingtoken SET SCHEMA app;
       ALTER TABLE token_blacklist_blacklistedtoken SET SCHEMA app;
       UPDATE carelink.home SET schema = 'app'`,
    );
    const { migrations } = await readMigrationOverview(`${url}?options=-c%20search_path%3Dapp%2Cpublic`);
    expect(migrations.find(({ name }) => name === EXPIRES)).toMatchObject({
      state: 'applied',
      action: 'nothing',
    });
    expect(migrations.find(({ name }) => name === SETTINGS)).toMatchObject({ state: 'applied' });
    // It is still what this tool made: down removes it.
    const theirs = `${url}?options=-c%20search_path%3Dapp%2Cpublic`;
    expect((await removeMigrations(theirs, { names: [EXPIRES] })).steps).toMatchObject([
      { outcome: 'removed' },
    ]);
  });

  it('down with --drop-tables leaves nothing of ours, and keeps what is not ours', async () => {
    await up();
    await query(url, 'CREATE TABLE carelink.notes (t text)');
    await removeMigrations(url, { dropTables: true });
    expect(
      await query(
        url,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'carelink'::regnamespace AND relkind = 'r' ORDER BY 1",
      ),
    ).toEqual([{ relname: 'migrations' }, { relname: 'notes' }]);
    await query(url, 'DROP TABLE carelink.notes');
    await removeMigrations(url, { dropTables: true });
    expect(await query(url, "SELECT to_regnamespace('carelink') AS own")).toEqual([{ own: null }]);
    expect(
      await query(url, "SELECT to_regclass('token_blacklist_outstandingtoken')::text AS theirs"),
    ).toEqual([{ theirs: 'token_blacklist_outstandingtoken' }]);
  });

  it('a backend that an administrator ends is a lost connection, whenever it comes', async () => {
    const events: string[] = [];
    const holder = await openClient(url);
    await holder.query('BEGIN; LOCK token_blacklist_outstandingtoken IN SHARE UPDATE EXCLUSIVE MODE');
    const done = applyMigrations(url, {
      createTables: false,
      names: [SETTINGS],
      onEvent: ({ event }) => {
        events.push(event);
        if (event === 'step_started')
          void query(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'carelink-tokens migrate'",
          );
      },
    });
    await expect(done).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await holder.end();
  });
});
