import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations, readMigrationOverview, removeMigrations } from '../../src/migrate/index.js';
import { askOf } from '../../src/store/database.js';
import { isOtherSchema } from '../../src/store/own-change.js';
import { readSchemaBy } from '../../src/store/schema.js';
import { run } from '../cli/run.js';
import { testDatabase } from '../support/database.js';
import { createSimplejwtTables, freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';

const KEY = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };
const USERS = {
  userCheck: 'auto',
  userTable: undefined,
  userIdColumn: undefined,
  userActiveColumn: 'is_active',
} as const;
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

describe.skipIf(services().postgres === undefined)(
  'Django tables in more than one schema of a database',
  () => {
    let database: FreshDatabase;
    let url: string;
    let pool: ReturnType<typeof testDatabase> | undefined;
    const at = (schema: string): string => `${url}?options=-c%20search_path%3D${schema}`;
    const site = async (schema: string): Promise<void> => {
      await query(url, `CREATE SCHEMA IF NOT EXISTS ${schema}`);
      await createSimplejwtTables(at(schema));
      await query(at(schema), 'INSERT INTO auth_user (id, is_active) VALUES (1, true)');
      await insertOutstanding(at(schema), [mintRefresh({ userId: 1 })]);
    };
    const triggers = () =>
      query<{ schema: string }>(
        url,
        `SELECT n.nspname AS schema FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.tgname = 'carelink_tell_blacklisted'`,
      );
    beforeEach(async () => {
      database = await freshDatabase();
      ({ url } = database);
    });
    afterEach(async () => {
      await pool?.end();
      pool = undefined;
      await database.drop();
    });

    it('are not worked on before they have a schema of ours: every command says so by name, and changes nothing', async () => {
      await site('t1');
      await applyMigrations(at('t1'), { createTables: false, notify: true });
      await site('t2');
      expect((await removeMigrations(at('t2'), {})).steps).toEqual([]);
      const { migrations } = await readMigrationOverview(at('t2'));
      expect(migrations.every(({ state }) => state === 'pending')).toBe(true);
      await expect(applyMigrations(at('t2'), { createTables: false, home: 't1' })).rejects.toThrow(
        'leads to t2',
      );
      const commands = [
        ['serve', '--port', '0', '--admin-port', '0'],
        ['revoke', '--user', '1', '--yes'],
        ['revoke', '--issued-before', 'now', '--yes'],
        ['cleanup'],
        ['migrate', 'grants'],
        ['dead-letters', 'list'],
        ['dead-letters', 'drop', '--all', '--yes'],
      ];
      const ends = await Promise.all(
        commands.map((command) => run([...command, '--database-url', at('t2')], KEY)),
      );
      for (const { code, stderr } of ends) {
        expect([code, stderr]).toEqual([
          4,
          expect.stringMatching(/in the schema t2.*belongs to those in t1/s),
        ]);
      }
      const { stdout } = await run(['doctor', '--json', '--database-url', at('t2')], KEY);
      const { checks } = JSON.parse(stdout) as { checks: { check: string; status: string }[] };
      expect(checks.find(({ check }) => check === 'home')).toMatchObject({ status: 'fault' });
      // Nobody of either has been logged out, and the first has its trigger.
      expect(
        await query(url, `SELECT FROM t1.${BLACKLISTED} UNION ALL SELECT FROM t2.${BLACKLISTED}`),
      ).toEqual([]);
      expect(await query(url, 'SELECT FROM carelink.revoked_before')).toEqual([]);
      expect(await triggers()).toEqual([{ schema: 't1' }]);
      // And goes on as it was.
      const first = await run(['revoke', '--user', '1', '--yes', '--database-url', at('t1')], KEY);
      // No warning; how far it is comes with time, on a busy machine.
      expect([first.code, first.stderr]).toEqual([0, expect.stringMatching(/^(\d+ of \d+\n)*$/)]);
      expect(await query(url, `SELECT FROM t1.${BLACKLISTED}`)).toHaveLength(1);
    });

    it('belong, where an older release migrated, to the schema that its triggers are on, and commands say what is pending', async () => {
      await site('t1');
      await applyMigrations(at('t1'), { createTables: false, notify: true });
      await site('t2');
      await query(url, `DROP TABLE carelink.home; DELETE FROM carelink.migrations WHERE name = 'home'`);
      const other = await run(['revoke', '--user', '1', '--yes', '--database-url', at('t2')], KEY);
      expect([other.code, other.stderr]).toEqual([4, expect.stringContaining('belongs to those in t1')]);
      const own = await run(['revoke', '--user', '1', '--database-url', at('t1')], KEY);
      expect([own.code, own.stderr]).toEqual([6, expect.stringContaining('the migration home is pending')]);
      const cleanup = await run(['cleanup', '--database-url', at('t1')], KEY);
      expect([cleanup.code, cleanup.stderr]).toEqual([
        0,
        expect.stringContaining('the migration home is pending'),
      ]);
      await applyMigrations(at('t1'), { createTables: false });
      expect(await query(url, 'SELECT schema FROM carelink.home')).toEqual([{ schema: 't1' }]);
    });

    it('are asked about where nothing tells whose ours is, and found again by the name that is given once', async () => {
      await site('t1');
      await applyMigrations(at('t1'), { createTables: false });
      await site('t2');
      await query(url, `DROP TABLE carelink.home; DELETE FROM carelink.migrations WHERE name = 'home'`);
      for (const schema of ['t1', 't2']) {
        await expect(applyMigrations(at(schema), { createTables: false })).rejects.toThrow(
          /carelink belongs to can't be told.*--home-schema t[12]/s,
        );
      }
      expect(await query(url, `SELECT FROM pg_namespace WHERE nspname LIKE 'carelink%'`)).toHaveLength(1);
      await applyMigrations(at('t2'), { createTables: false, home: 't2' });
      expect(await query(url, 'SELECT schema FROM carelink.home')).toEqual([{ schema: 't2' }]);
      await applyMigrations(at('t2'), { createTables: false });
      await applyMigrations(at('t1'), { createTables: false });
      expect(await query(url, 'SELECT schema FROM carelink_t1.home')).toEqual([{ schema: 't1' }]);
    });

    it('follow a schema that was renamed only when that is said', async () => {
      await site('t1');
      await applyMigrations(at('t1'), { createTables: false });
      pool = testDatabase(at('t1'), { size: 1 });
      const ask = askOf(pool);
      const served = await readSchemaBy(ask, USERS);
      const isAway = () => isOtherSchema(ask, served);
      expect(await isAway()).toBe(false);
      await query(url, 'ALTER SCHEMA t1 RENAME TO clinic');
      await expect(applyMigrations(at('clinic'), { createTables: false })).rejects.toThrow(
        /belongs to Django's tables in t1, which has none any more.*--home-schema clinic/s,
      );
      const revoked = await run(['revoke', '--user', '1', '--yes', '--database-url', at('clinic')], KEY);
      expect([revoked.code, revoked.stderr]).toEqual([4, expect.stringContaining('--home-schema clinic')]);
      const { steps } = await applyMigrations(at('clinic'), { createTables: false, home: 'clinic' });
      expect(await query(url, 'SELECT schema FROM carelink.home')).toEqual([{ schema: 'clinic' }]);
      expect(await isAway()).toBe(true);
      expect(steps.filter(({ outcome }) => outcome === 'drifted')).toEqual([]);
    });

    it('are not made a second time beside those of a schema that the search path leaves out, or the role may not look into', async () => {
      await site('app');
      const role = `looker_${process.pid}`;
      await query(
        url,
        `CREATE ROLE ${role} LOGIN; GRANT ALL ON SCHEMA public TO ${role};
         GRANT CREATE ON DATABASE ${new URL(url).pathname.slice(1)} TO ${role}`,
      );
      try {
        const theirs = new URL(url);
        theirs.username = role;
        for (const connection of [theirs.href, url]) {
          const made = applyMigrations(connection, { createTables: true });
          await expect(made).rejects.toMatchObject({ code: 'TABLES_MISSING' });
          await expect(made).rejects.toThrow('app.token_blacklist_outstandingtoken');
        }
        expect(await query(url, `SELECT FROM pg_class WHERE relname = '${BLACKLISTED}'`)).toHaveLength(1);
        // Nor is it advised.
        const [serve, cleanup, doctor] = await Promise.all([
          run(['serve', '--port', '0', '--admin-port', '0', '--database-url', theirs.href], KEY),
          run(['cleanup', '--database-url', url], KEY),
          run(['doctor', '--database-url', theirs.href], KEY),
        ]);
        expect([serve.code, serve.stderr]).toEqual([4, expect.stringContaining('GRANT USAGE ON SCHEMA app')]);
        expect([cleanup.code, cleanup.stderr]).toEqual([4, expect.stringContaining('search_path%3Dapp')]);
        expect(doctor.stdout).toMatch(/may not look into the schema app.*Do not use --create-tables/s);
        expect(serve.stderr + cleanup.stderr).not.toContain('--create-tables');
      } finally {
        await query(url, `DROP OWNED BY ${role}; DROP ROLE ${role}`);
      }
    });

    it('are worked on by their names, whatever a temporary table or another schema in the path is called', async () => {
      await site('app');
      await applyMigrations(at('app'), { createTables: false });
      const attacked = `${url}?options=-c%20search_path%3Dapp,evil`;
      await query(
        url,
        `CREATE SCHEMA evil; CREATE TABLE evil.token_blacklist_outstandingtoken (LIKE app.token_blacklist_outstandingtoken);
       CREATE TABLE evil.${BLACKLISTED} (LIKE app.${BLACKLISTED}); CREATE TABLE evil.auth_user (LIKE app.auth_user)`,
      );
      // Whoever may create in a schema that comes first in the path doesn't get the tokens.
      const first = await run(
        ['revoke', '--user', '1', '--yes', '--database-url', attacked.replace('app,evil', 'evil,app')],
        KEY,
      );
      expect([first.code, first.stderr]).toEqual([4, expect.stringContaining('belongs to those in app')]);
      const { code } = await run(['revoke', '--user', '1', '--yes', '--database-url', attacked], KEY);
      expect(code).toBe(0);
      expect(await query(url, `SELECT FROM app.${BLACKLISTED}`)).toHaveLength(1);
    });
  },
);
