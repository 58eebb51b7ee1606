import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { readNeededGrants } from '../../src/migrate/index.js';
import { askOf } from '../../src/store/database.js';
import { checkRights } from '../../src/store/rights.js';
import { readSchema } from '../../src/store/schema.js';
import { run } from '../cli/run.js';
import { testDatabase } from '../support/database.js';
import { grantedRole, type GrantedRole } from '../support/granted-role.js';
import { createUsers, query, type FreshDatabase } from '../support/postgres.js';
import { startRedis } from '../support/redis.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';
const KEY = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };

/** What the start of a server asks of the database. */
async function start(url: string): Promise<void> {
  const database = testDatabase(url, { size: 1 });
  try {
    const schema = await readSchema(database, {
      userCheck: 'auto',
      userTable: undefined,
      userIdColumn: undefined,
      userActiveColumn: 'is_active',
    });
    await checkRights(askOf(database), schema, ['serve']);
  } finally {
    await database.end();
  }
}

/** A server's three answers: to a refresh, of /readyz, and in the gauge that the alert reads. */
async function answers(server: TestServer, refresh: string) {
  const post = (path: string, body: object) =>
    fetch(`${server.url}/account/token/${path}/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const answer = await post('refresh', { refresh });
  const body = (await answer.json()) as { refresh?: string };
  const ready = await fetch(`${server.adminUrl}/readyz`);
  const { checks } = (await ready.json()) as { checks: { database: string } };
  return { status: answer.status, refresh: body.refresh, ready: ready.status, database: checks.database };
}

describe.skipIf(services().postgres === undefined)(
  'a role with exactly the rights that `migrate grants` prints',
  () => {
    let database: FreshDatabase;
    let role: GrantedRole;
    let directory: string;
    const prepare = async (identity: boolean): Promise<FreshDatabase> => {
      const made = await migratedDatabase({ identity, notify: true });
      return made;
    };
    beforeAll(async () => {
      // Ids that a sequence gives, as older Djangos make them: it wants a right of its own.
      database = await prepare(false);
      role = await grantedRole(database.url);
      directory = mkdtempSync(join(tmpdir(), 'carelink-rights-'));
    });
    afterAll(async () => {
      rmSync(directory, { recursive: true, force: true });
      await role.drop();
      await database.drop();
    });
    const login = async () => {
      const [userId] = await createUsers(database.url, 1);
      const token = mintRefresh({ userId: userId! });
      await insertOutstanding(database.url, [token]);
      return { userId: userId!, token };
    };
    const json = (text: string) => JSON.parse(text.trim().split('\n').at(-1)!) as Record<string, unknown>;

    it.each([
      ['sync', ['--blacklist', 'sync']],
      ['async', ['--blacklist', 'async', '--cleanup-every', '1h']],
    ])('serves, %s', async (mode, args) => {
      if (mode === 'async' && services().redis === undefined) return;
      // One of its own: a Redis belongs to one database.
      const redis = mode === 'async' ? await startRedis() : undefined;
      const where = redis === undefined ? [] : ['--redis-url', `redis://127.0.0.1:${redis.port}`];
      const server = await startServer({ databaseUrl: role.url, args: [...args, ...where] });
      try {
        const { token } = await login();
        const first = await answers(server, token.token);
        expect(first).toMatchObject({ status: 200, ready: 200, database: 'ok' });
        const post = async (path: string, body: object) =>
          (
            await fetch(`${server.url}/account/token/${path}/`, {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify(body),
            })
          ).status;
        // A token without a row, as simplejwt 5.2 leaves its successors.
        expect(
          await post('refresh', { refresh: mintRefresh({ userId: (await login()).userId }).token }),
        ).toBe(200);
        expect(await post('verify', { token: first.refresh! })).toBe(200);
        expect(await post('blacklist', { refresh: first.refresh! })).toBe(200);
        expect((await answers(server, first.refresh!)).status).toBe(401);
      } finally {
        await server.stop();
        await redis?.stop();
      }
      expect(server.output()).not.toMatch(/"error_code":"42501"/);
    });

    it('cleans up, and revokes in each way', async () => {
      const { userId, token } = await login();
      await query(
        database.url,
        `INSERT INTO ${OUTSTANDING} (token, created_at, expires_at, jti)
       SELECT 'x', now() - interval '40 days', now() - interval '30 days', 'old' || n FROM generate_series(1, 300) AS n`,
      );
      await query(
        database.url,
        `INSERT INTO ${BLACKLISTED} (blacklisted_at, token_id)
       SELECT now(), id FROM ${OUTSTANDING} WHERE jti LIKE 'old%' AND id % 2 = 0`,
      );
      const at = (command: string, ...args: string[]) =>
        run([command, '--database-url', role.url, '--json', ...args], KEY);
      const dry = await at('cleanup', '--dry-run');
      expect([dry.code, dry.stderr]).toEqual([0, '']);
      const cleaned = await at('cleanup', '--nice', '0');
      expect([cleaned.code, cleaned.stderr]).toEqual([0, '']);
      expect(json(cleaned.stdout)).toMatchObject({ event: 'done' });
      const family = join(directory, 'family.txt');
      writeFileSync(family, mintRefresh({ userId }).token);
      const targets = [
        ['--jti', token.jti],
        ['--family', family],
        ['--user', String(userId)],
        ['--issued-before', '2026-01-01T00:00:00Z'],
      ];
      const ends = await Promise.all(targets.map((target) => at('revoke', '--yes', ...target)));
      for (const { code, stderr, stdout } of ends) {
        expect([code, stderr]).toEqual([0, '']);
        expect(json(stdout)).toMatchObject({ event: 'done' });
      }
    });

    it('has no fault that the doctor finds', async () => {
      await login();
      const { code, stdout } = await run(
        ['doctor', '--json', '--database-url', role.url, '--refresh-lifetime', '12h'],
        KEY,
      );
      const { checks } = JSON.parse(stdout) as { checks: { check: string; status: string }[] };
      expect(checks.filter(({ status }) => status === 'fault')).toEqual([]);
      expect(checks.find(({ check }) => check === 'grants')).toMatchObject({ status: 'ok' });
      expect(checks.find(({ check }) => check === 'sequences')).toMatchObject({ status: 'ok' });
      expect(code).toBe(0);
    });

    it("may look at an IDENTITY's sequences for the doctor, and at nothing else of them", async () => {
      const identity = await prepare(true);
      const { grants } = await readNeededGrants(identity.url, { role: 'tokens' });
      await identity.drop();
      const ofSequences = grants.filter(({ on }) => on === 'sequence');
      expect(ofSequences.map(({ name, privilege, for: needs }) => [name, privilege, needs])).toEqual([
        ['public.token_blacklist_outstandingtoken_id_seq', 'SELECT', ['doctor']],
        ['public.token_blacklist_blacklistedtoken_id_seq', 'SELECT', ['doctor']],
      ]);
    });

    it('prints them as SQL that psql takes, or as JSON, and says what the role has already', async () => {
      const text = await run([
        'migrate',
        'grants',
        'serve',
        '--role',
        role.name,
        '--database-url',
        database.url,
      ]);
      expect([text.code, text.stderr]).toEqual([0, '']);
      expect(text.stdout).toMatch(/GRANT USAGE ON SEQUENCE public\.\w+_id_seq TO "tokens ""[0-9a-f]+""";/);
      expect(text.stdout).toMatch(/GRANT SELECT \("id", "is_active"\) ON public\.auth_user TO/);
      expect(text.stdout).not.toContain('GRANT DELETE');
      await query(database.url, text.stdout);
      const args = ['migrate', 'grants', '--json', '--database-url', database.url, '--role'];
      const [held, nobody] = await Promise.all([run([...args, role.name]), run([...args, 'nobody at all'])]);
      const grants = (out: string) =>
        JSON.parse(out) as { role_exists: boolean; grants: { held: boolean }[] };
      expect(new Set(grants(held.stdout).grants.map((one) => one.held))).toEqual(new Set([true]));
      expect(grants(nobody.stdout).role_exists).toBe(false);
      expect(new Set(grants(nobody.stdout).grants.map((one) => one.held))).toEqual(new Set([false]));
    });

    it('lacks nothing for any table of ours: each is among the grants, or nobody but migrate needs it', async () => {
      const tables = await query<{ name: string }>(
        database.url,
        `SELECT 'carelink.' || relname AS name FROM pg_class
        WHERE relnamespace = 'carelink'::regnamespace AND relkind = 'r' ORDER BY 1`,
      );
      const { stdout } = await run(['migrate', 'grants', '--json', '--database-url', database.url]);
      const { grants } = JSON.parse(stdout) as { grants: { name: string }[] };
      expect(
        tables.map(({ name }) => name).filter((name) => !grants.some((grant) => grant.name === name)),
      ).toEqual(['carelink.shared_revocations']);
    });

    it.each([
      ['a sequence', 'USAGE', `SEQUENCE ${OUTSTANDING}_id_seq`, `USAGE on public.${OUTSTANDING}_id_seq`],
      ['the blacklist', 'INSERT', BLACKLISTED, `INSERT on public.${BLACKLISTED}`],
      ['the users', 'SELECT (is_active)', 'auth_user', 'SELECT on public.auth_user'],
      ['our schema', 'USAGE', 'SCHEMA carelink', 'USAGE on carelink'],
      ["Django's schema", 'USAGE', 'SCHEMA public', 'GRANT USAGE ON SCHEMA public'],
    ])(
      'is refused at the start by the name of what is missing on %s',
      async (_what, privilege, object, named) => {
        const quoted = `"${role.name.replaceAll('"', '""')}"`;
        await query(database.url, `REVOKE ${privilege} ON ${object} FROM ${quoted}`);
        try {
          const refused = start(role.url);
          await expect(refused).rejects.toMatchObject({ code: 'GRANTS_MISSING' });
          await expect(refused).rejects.toThrow(named);
          await expect(refused).rejects.toThrow('migrate grants');
        } finally {
          await query(database.url, `GRANT ${privilege} ON ${object} TO ${quoted}`);
        }
      },
    );

    describe('that is changed under a running server', () => {
      let server: TestServer;
      beforeAll(async () => {
        server = await startServer({ databaseUrl: role.url, args: ['--request-timeout', '1s'] });
      });
      afterAll(() => server.stop());

      it.each<[string, string, string, string]>([
      ['a right is lost', 'grants missing', `REVOKE INSERT ON ${BLACKLISTED} FROM $role`, `GRANT INSERT ON ${BLACKLISTED} TO $role`],
      ['a sequence is lost', 'grants missing', `REVOKE USAGE ON SEQUENCE ${BLACKLISTED}_id_seq FROM $role`, `GRANT USAGE ON SEQUENCE ${BLACKLISTED}_id_seq TO $role`],
      ['a table is renamed', 'tables missing', `ALTER TABLE ${BLACKLISTED} RENAME TO gone`, `ALTER TABLE gone RENAME TO ${BLACKLISTED}`],
      ['the user table is renamed', 'tables missing', 'ALTER TABLE auth_user RENAME TO gone', 'ALTER TABLE gone RENAME TO auth_user'],
      ['a column is renamed', 'columns missing', `ALTER TABLE ${OUTSTANDING} RENAME COLUMN created_at TO gone`, `ALTER TABLE ${OUTSTANDING} RENAME COLUMN gone TO created_at`],
      ['our schema is renamed', 'tables missing', 'ALTER SCHEMA carelink RENAME TO gone', 'ALTER SCHEMA gone RENAME TO carelink'],
      ['users are hidden by row-level security', 'rows hidden', 'ALTER TABLE auth_user ENABLE ROW LEVEL SECURITY', 'ALTER TABLE auth_user DISABLE ROW LEVEL SECURITY'],
      ['blacklist rows are hidden by row-level security', 'rows hidden', `ALTER TABLE ${BLACKLISTED} ENABLE ROW LEVEL SECURITY`, `ALTER TABLE ${BLACKLISTED} DISABLE ROW LEVEL SECURITY`],
    ])('is told of where %s, and a good token gets 503, until it is mended', async (_what, word, breaks, mends) => {
      const quoted = `"${role.name.replaceAll('"', '""')}"`;
      const { token } = await login();
      expect((await answers(server, (await login()).token.token)).status).toBe(200);
      await query(database.url, breaks.replace('$role', quoted));
      try {
        expect(await answers(server, token.token)).toMatchObject({ status: 503, ready: 503, database: word });
        const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
        expect(metrics).toContain(`carelink_store_problem{store="database",problem="${word}"} 1`);
      } finally {
        await query(database.url, mends.replace('$role', quoted));
      }
      expect(await answers(server, token.token)).toMatchObject({ status: 200, ready: 200, database: 'ok' });
    }); // prettier-ignore

      it('serves where it is exempt from row-level security', async () => {
        const quoted = `"${role.name.replaceAll('"', '""')}"`;
        await query(
          database.url,
          `ALTER TABLE auth_user ENABLE ROW LEVEL SECURITY; ALTER ROLE ${quoted} BYPASSRLS`,
        );
        try {
          const { token } = await login();
          expect(await answers(server, token.token)).toMatchObject({
            status: 200,
            ready: 200,
            database: 'ok',
          });
        } finally {
          await query(
            database.url,
            `ALTER ROLE ${quoted} NOBYPASSRLS; ALTER TABLE auth_user DISABLE ROW LEVEL SECURITY`,
          );
        }
      });
    });

    it('is refused at the start where row-level security hides the audit from it: no log-out could be recorded', async () => {
      await query(database.url, 'ALTER TABLE carelink.audit ENABLE ROW LEVEL SECURITY');
      try {
        await expect(start(role.url)).rejects.toThrow('hides rows of carelink.audit');
      } finally {
        await query(database.url, 'ALTER TABLE carelink.audit DISABLE ROW LEVEL SECURITY');
      }
    });

    it('is refused at the start, and by the cleanup, where row-level security hides rows from it', async () => {
      await query(database.url, `ALTER TABLE ${OUTSTANDING} ENABLE ROW LEVEL SECURITY`);
      try {
        const words = `hides rows of public.${OUTSTANDING}`;
        await expect(start(role.url)).rejects.toThrow(words);
        const [cleanup, revoke, doctor] = await Promise.all([
          run(['cleanup', '--database-url', role.url], KEY),
          run(['revoke', '--user', '1', '--database-url', role.url], KEY),
          run(['doctor', '--json', '--database-url', role.url], KEY),
        ]);
        expect([cleanup.code, cleanup.stderr]).toEqual([4, expect.stringContaining(words)]);
        expect([revoke.code, revoke.stderr]).toEqual([4, expect.stringContaining(words)]);
        const { stdout } = doctor;
        const { checks } = JSON.parse(stdout) as { checks: { check: string; status: string }[] };
        expect(checks.find(({ check }) => check === 'row_security')).toMatchObject({ status: 'fault' });
      } finally {
        await query(database.url, `ALTER TABLE ${OUTSTANDING} DISABLE ROW LEVEL SECURITY`);
      }
    });
  },
);
