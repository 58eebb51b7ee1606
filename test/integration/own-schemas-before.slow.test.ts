import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MIGRATIONS_DIRECTORY } from '../../src/migrate/files.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { createSimplejwtTables, freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { startInstance, type Instance } from '../support/rotation.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh } from '../support/tokens.js';

/** Before any release wrote down whose `carelink` is: up to the migration `identity`. */
const OLD = /^00(?:0\d|1[0-3])_/;

const ago = (seconds: number): number => Math.floor(Date.now() / 1000) - seconds;

describe.skipIf(services().postgres === undefined)(
  'on a database of the release before, which let two Djangos share carelink, nothing that was revoked lives again',
  () => {
    let directory: string;
    let database: FreshDatabase;
    let url: string;
    const instances: Instance[] = [];
    const at = (schema: string): string => `${url}?options=-c%20search_path%3D${schema}`;
    /** How each token of a user fares at the server of a site: one with a row, and one without. */
    const refreshes = async (schema: string, userId: number): Promise<string[]> => {
      const instance = await startInstance(at(schema));
      instances.push(instance);
      const [written, unwritten] = [1, 2].map(() => mintRefresh({ userId, iatSeconds: ago(600) }));
      await insertOutstanding(at(schema), [written!]);
      const answers = [written!, unwritten!].map(({ token }) => instance.service.refresh(token));
      return (await Promise.all(answers)).map(({ kind }) => kind);
    };
    /** As servers of the release before wrote it, whichever of the two they served. */
    const revoke = (userId: number) =>
      query(
        url,
        `INSERT INTO carelink.revoked_before VALUES ($1, clock_timestamp())
         ON CONFLICT (user_key) DO UPDATE SET at = excluded.at`,
        [String(userId)],
      );
    const homes = async (): Promise<Record<string, string>> => {
      const owns = await query<{ own: string }>(
        url,
        `SELECT nspname::text AS own FROM pg_namespace WHERE nspname LIKE 'carelink%' ORDER BY 1`,
      );
      const found: Record<string, string> = {};
      for (const { own } of owns) {
        const [home] = await query<{ schema: string }>(url, `SELECT schema FROM ${own}.home`);
        found[own] = home!.schema;
      }
      return found;
    };
    const triggersIn = async (schema: string): Promise<string[]> => {
      const rows = await query<{ name: string }>(
        url,
        `SELECT t.tgname::text AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
          WHERE c.relnamespace = $1::regnamespace AND t.tgname LIKE '%blacklisted'`,
        [schema],
      );
      return rows.map(({ name }) => name);
    };

    beforeAll(() => {
      directory = mkdtempSync(join(tmpdir(), 'carelink-old-migrations-'));
      for (const file of readdirSync(MIGRATIONS_DIRECTORY).filter((name) => OLD.test(name)))
        copyFileSync(join(MIGRATIONS_DIRECTORY, file), join(directory, file));
    });
    afterAll(() => rmSync(directory, { recursive: true }));
    beforeEach(async () => {
      database = await freshDatabase();
      ({ url } = database);
      await query(url, 'CREATE SCHEMA t1');
      for (const schema of ['public', 't1']) {
        await createSimplejwtTables(at(schema));
        await query(
          at(schema),
          'INSERT INTO auth_user (id, is_active) SELECT n, true FROM generate_series(1, 3) n',
        );
      }
    });
    afterEach(async () => {
      await Promise.all(instances.splice(0).map((instance) => instance.close()));
      await database.drop();
    });

    it.each([
      ['public', 't1'],
      ['t1', 'public'],
    ])('with the triggers on %s, and %s migrated first', async (home, other) => {
      await applyMigrations(at(home), { createTables: false, notify: true, directory });
      await revoke(1);
      // New servers on the old schema.
      expect(await refreshes(home, 1)).toEqual(['blacklisted', 'blacklisted']);
      await expect(startInstance(at(other))).rejects.toThrow(`carelink belongs to those in ${home}`);

      await applyMigrations(at(other), { createTables: false, notify: true });
      expect(await refreshes(other, 1)).toEqual(['blacklisted', 'blacklisted']);
      // A server of the release before goes on meanwhile.
      await revoke(2);
      await applyMigrations(at(home), { createTables: false });
      await applyMigrations(at(other), { createTables: false });
      expect(await homes()).toEqual({ carelink: home, [`carelink_${other}`]: other });
      for (const schema of [home, other]) {
        for (const userId of [1, 2])
          expect(await refreshes(schema, userId)).toEqual(['blacklisted', 'blacklisted']);
        expect(await refreshes(schema, 3)).toEqual(['rotated', 'rotated']);
      }
      expect([await triggersIn(home), await triggersIn(other)]).toEqual([
        ['carelink_tell_blacklisted'],
        [`carelink_${other}_tell_blacklisted`],
      ]);
      // What is revoked from now on is one site's alone.
      await revoke(3);
      await applyMigrations(at(other), { createTables: false });
      expect(await refreshes(home, 3)).toEqual(['blacklisted', 'blacklisted']);
      expect(await refreshes(other, 3)).toEqual(['rotated', 'rotated']);
    });

    it('without triggers: migrate asks whose it is, and what was revoked stays so for both', async () => {
      await applyMigrations(at('public'), { createTables: false, directory });
      await revoke(1);
      for (const schema of ['public', 't1']) {
        expect(await refreshes(schema, 1)).toEqual(['blacklisted', 'blacklisted']);
        await expect(applyMigrations(at(schema), { createTables: false })).rejects.toThrow(
          new RegExp(`--home-schema ${schema}.*first run migrate there`, 's'),
        );
      }
      await applyMigrations(at('t1'), { createTables: false, home: 't1' });
      await applyMigrations(at('public'), { createTables: false });
      expect(await homes()).toEqual({ carelink: 't1', carelink_public: 'public' });
      for (const schema of ['public', 't1']) {
        expect(await refreshes(schema, 1)).toEqual(['blacklisted', 'blacklisted']);
        expect(await refreshes(schema, 3)).toEqual(['rotated', 'rotated']);
      }
    });

    it('with triggers on both, which only the later one’s functions served: each has its own afterwards', async () => {
      await applyMigrations(at('public'), { createTables: false, notify: true, directory });
      // That release ran it for the second one, too.
      await query(at('t1'), readFileSync(join(directory, '0011_notify_changes.sql'), 'utf8'));
      await revoke(1);
      await expect(applyMigrations(at('t1'), { createTables: false })).rejects.toThrow('--home-schema');
      await applyMigrations(at('public'), { createTables: false, home: 'public' });
      await applyMigrations(at('t1'), { createTables: false, notify: true });
      expect([await triggersIn('public'), await triggersIn('t1')]).toEqual([
        ['carelink_tell_blacklisted'],
        ['carelink_t1_tell_blacklisted'],
      ]);
      const [tells] = await query<{ source: string }>(
        url,
        `SELECT prosrc AS source FROM pg_proc WHERE oid = 'carelink.tell_blacklisted'::regproc`,
      );
      expect(tells?.source).toContain('public.token_blacklist_outstandingtoken');
      for (const schema of ['public', 't1'])
        expect(await refreshes(schema, 1)).toEqual(['blacklisted', 'blacklisted']);
    });

    it('what is revoked after carelink was given to the other site stays so, and a server that worked with it ends', async () => {
      await applyMigrations(at('public'), { createTables: false, directory });
      const server = await startServer({ databaseUrl: at('t1') });
      try {
        await applyMigrations(at('public'), { createTables: false, home: 'public' });
        await revoke(1);
        // Broken off before anything was taken over: no server starts with an empty list.
        await applyMigrations(at('t1'), { createTables: false, names: ['carelink_schema'] });
        await query(url, 'TRUNCATE carelink_t1.revoked_before');
        await expect(startInstance(at('t1'))).rejects.toMatchObject({ code: 'CARELINK_SCHEMA_MISSING' });
        await revoke(2);
        expect((await fetch(`${server.adminUrl}/readyz`)).status).toBe(200);
        await applyMigrations(at('t1'), { createTables: false });
        expect((await server.exited).code).toBe(4);
        expect(server.output()).toMatch(/OTHER_SCHEMA.*Start it again/s);
      } finally {
        await server.stop();
      }
      for (const userId of [1, 2])
        expect(await refreshes('t1', userId)).toEqual(['blacklisted', 'blacklisted']);
      expect(await refreshes('t1', 3)).toEqual(['rotated', 'rotated']);
    });

    it('migrate ends where it may not read what was shared, and says what to grant', async () => {
      const role = `tenant_${process.pid}`;
      const theirs = new URL(at('t1'));
      theirs.username = role;
      await applyMigrations(at('public'), { createTables: false, directory });
      await revoke(1);
      await applyMigrations(at('public'), { createTables: false, home: 'public' });
      await query(
        url,
        `CREATE ROLE ${role} LOGIN; GRANT CREATE ON DATABASE ${theirs.pathname.slice(1)} TO ${role};
         GRANT USAGE ON SCHEMA carelink TO ${role}; ALTER SCHEMA t1 OWNER TO ${role};
         ALTER TABLE t1.auth_user OWNER TO ${role};
         ALTER TABLE t1.token_blacklist_outstandingtoken OWNER TO ${role};
         ALTER TABLE t1.token_blacklist_blacklistedtoken OWNER TO ${role}`,
      );
      try {
        const refused = applyMigrations(theirs.href, { createTables: false });
        await expect(refused).rejects.toMatchObject({ code: 'UNSAFE' });
        const grant = /`(GRANT USAGE ON SCHEMA carelink TO .*; GRANT SELECT ON .*)`/;
        const sql = grant.exec(String(await refused.catch((error: unknown) => error)))?.[1];
        expect(sql).toContain('carelink.revoked_before, carelink.shared_revocations');
        await expect(startInstance(at('t1'))).rejects.toMatchObject({ code: 'CARELINK_SCHEMA_MISSING' });
        await query(url, sql!);
        await applyMigrations(theirs.href, { createTables: false });
        expect(await refreshes('t1', 1)).toEqual(['blacklisted', 'blacklisted']);
      } finally {
        await Promise.all(instances.splice(0).map((instance) => instance.close()));
        await query(url, `REASSIGN OWNED BY ${role} TO postgres; DROP OWNED BY ${role}; DROP ROLE ${role}`);
      }
    });
  },
);
