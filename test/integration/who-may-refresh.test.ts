import { describe, expect, it } from 'vitest';
import { run } from '../cli/run.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { askOf } from '../../src/store/database.js';
import { ObservedDatabaseClock } from '../../src/store/database-clock.js';
import { claimByJtiSql, claimKnownSql } from '../../src/store/claim-sql.js';
import { checkHealth } from '../../src/store/health.js';
import { checkRights } from '../../src/store/rights.js';
import { readSchema } from '../../src/store/schema.js';
import { blacklistByJtiSql, blacklistUserSql } from '../../src/store/revocation-sql.js';
import { readStateSql } from '../../src/store/state-sql.js';
import { probeUserView } from '../../src/store/user-probe.js';
import { writeBehindSql } from '../../src/store/write-behind-sql.js';
import type { UserNames } from '../../src/store/user-source.js';
import { testDatabase } from '../support/database.js';
import { toldOf } from '../support/told.js';
import { rotationWorld } from '../support/rotation-world.js';
import { startRedis } from '../support/redis.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';

describe.skipIf(services().postgres === undefined || services().redis === undefined)(
  'who may refresh',
  () => {
    const world = rotationWorld();

    const shaped = async (change: string, back: string, work: () => Promise<void>): Promise<void> => {
      await world.sql(change);
      try {
        await work();
      } finally {
        await world.sql(back);
      }
    };
    const newUser = async (): Promise<number> =>
      (await world.sql<{ id: number }>('INSERT INTO auth_user (is_active) VALUES (true) RETURNING id'))[0]!
        .id;
    const login = async (userId: number): Promise<string> => {
      const token = mintRefresh({ userId });
      await insertOutstanding(world.url, [token]);
      return token.token;
    };
    /** What the start of a server says of the users: an error, or nothing. */
    const atStart = async (names: Partial<UserNames> = {}, url = world.url): Promise<unknown> => {
      const database = testDatabase(url, { size: 1 });
      try {
        const ask = askOf(database);
        const schema = await readSchema(database, { ...AUTO, ...names });
        await checkRights(ask, schema, ['serve']);
        await probeUserView(ask, schema);
        return 'not refused';
      } catch (error) {
        return error;
      } finally {
        await database.end();
      }
    };

    it('is whoever is there, with --user-check exists, also where no column says who is active', () =>
      shaped(
        'ALTER TABLE auth_user RENAME COLUMN is_active TO note',
        'ALTER TABLE auth_user RENAME COLUMN note TO is_active',
        async () => {
          expect(await atStart()).toMatchObject({
            code: 'USER_TABLE_MISSING',
            message: expect.stringMatching(/--user-table.*--user-check exists/s) as string,
          });
          const { service } = await world.start({ userCheck: 'exists' });
          const made = await world.sql<{ id: number }>(
            'INSERT INTO auth_user (note) SELECT false FROM generate_series(1, 2) RETURNING id',
          );
          const [stays, goes] = made.map(({ id }) => id) as [number, number];
          const tokens = [await login(stays), await login(goes)];
          await world.sql('UPDATE token_blacklist_outstandingtoken SET user_id = NULL WHERE user_id = $1', [
            goes,
          ]);
          await world.sql('DELETE FROM auth_user WHERE id = $1', [goes]);
          const outcomes = await Promise.all(tokens.map((token) => service.refresh(token)));
          expect(outcomes.map(({ kind }) => kind)).toEqual(['rotated', 'inactive']);

          const users = { ...AUTO, userCheck: 'exists' } as const;
          await applyMigrations(world.url, { createTables: false, notify: true, users });
          const told = await toldOf(world.url, [
            `UPDATE auth_user SET note = true WHERE id = ${stays}`,
            `DELETE FROM token_blacklist_blacklistedtoken`,
            `DELETE FROM token_blacklist_outstandingtoken WHERE user_id = ${stays}`,
            `DELETE FROM auth_user WHERE id = ${stays}`,
          ]);
          expect(told).toEqual([`{"users":["${stays}"]}`]);
        },
      ));

    it.each([
      ['deleted_at timestamptz', 'deleted_at = now()'],
      ['is_deleted boolean NOT NULL DEFAULT false', 'is_deleted = true'],
      ['is_removed smallint NOT NULL DEFAULT 0', 'is_removed = 1'],
      ['locked_until timestamptz', "locked_until = now() + interval '1 hour'"],
    ])('is not guessed of a table with %s: the view that the refusal names is right', (column, gone) =>
      shaped(
        `ALTER TABLE auth_user ADD ${column}`,
        `DROP VIEW IF EXISTS carelink_users; ALTER TABLE auth_user DROP ${column.split(' ')[0]}`,
        async () => {
          const refusal = (await atStart()) as Error;
          expect(refusal).toMatchObject({ code: 'USER_TABLE_MISSING' });
          expect(await atStart({ userCheck: 'exists' })).toMatchObject({ code: 'USER_TABLE_MISSING' });
          expect(await atStart({ userTable: 'auth_user' })).toBe('not refused');
          await world.sql(/`(CREATE VIEW [^`]+)`/.exec(refusal.message)![1]!);
          const { service } = await world.start({ users: { userTable: 'carelink_users' } });
          const [stays, goes, inactive] = [await newUser(), await newUser(), await newUser()];
          await world.sql('UPDATE auth_user SET is_active = false WHERE id = $1', [inactive]);
          await world.sql(`UPDATE auth_user SET ${gone} WHERE id = $1`, [goes]);
          const outcomes = await Promise.all(
            [stays, goes, inactive].map(async (id) => service.refresh(await login(id))),
          );
          expect(outcomes.map(({ kind }) => kind)).toEqual(['rotated', 'inactive', 'inactive']);
        },
      ),
    );

    it('is asked of a view in every claim, and two rows of one user must both say yes, at nobody else’s cost', () =>
      shaped(
        `CREATE TABLE shift (user_id int, open boolean);
       CREATE VIEW on_duty AS SELECT u.id, u.is_active AND s.open AS is_active FROM auth_user u JOIN shift s ON s.user_id = u.id`,
        'DROP VIEW on_duty; DROP TABLE shift',
        async () => {
          const { service, batches } = await world.start({ users: { userTable: 'on_duty' } });
          const ids = await Promise.all(Array.from({ length: 4 }, newUser));
          const [one, both, half, none] = ids as [number, number, number, number];
          await world.sql(
            `INSERT INTO shift VALUES (${one}, true), (${both}, true), (${both}, true), (${half}, true), (${half}, false)`,
          );
          const tokens = await Promise.all(ids.map(login));
          const outcomes = await Promise.all(tokens.map((token) => service.refresh(token)));
          expect(outcomes.map(({ kind }) => kind)).toEqual(['rotated', 'rotated', 'inactive', 'inactive']);
          expect(batches).toContain(4);
          await world.sql(`INSERT INTO shift VALUES (${none}, true)`);
          expect((await service.refresh(tokens[3]!)).kind).toBe('rotated');
          const next = outcomes[0] as { refresh: string };
          await world.sql(`UPDATE shift SET open = false WHERE user_id = ${one}`);
          expect((await service.refresh(next.refresh)).kind).toBe('inactive');
        },
      ));

    it('is asked of a view by every statement that judges, writes or revokes tokens', () =>
      shaped(
        `ALTER TABLE auth_user ADD email text;
       CREATE VIEW staff AS SELECT id, email, is_active, '{}'::jsonb AS claims FROM auth_user`,
        'DROP VIEW staff; ALTER TABLE auth_user DROP email',
        async () => {
          const database = testDatabase(world.url, { size: 1 });
          try {
            for (const userIdColumn of ['id', 'email']) {
              const schema = await readSchema(database, { ...AUTO, userTable: 'staff', userIdColumn });
              const texts = [
                claimKnownSql(schema, 'usual', 'left_out'),
                claimByJtiSql(schema, 'brief', 'kept'),
                readStateSql(schema, true),
                writeBehindSql(schema),
                blacklistByJtiSql(schema),
                blacklistUserSql(schema, 'revoked'),
              ];
              for (const text of texts) await world.sql(`PREPARE tried AS ${text}`);
            }
          } finally {
            await database.end();
          }
        },
      ));

    it('refuses asynchronous blacklisting by name with a view, and is synchronous where it may choose', () =>
      shaped('CREATE VIEW staff AS SELECT id, is_active FROM auth_user', 'DROP VIEW staff', async () => {
        const args = [
          'serve',
          '--port',
          '0',
          '--admin-port',
          '0',
          '--user-table',
          'staff',
          '--database-url',
          world.url,
        ];
        const { code, stderr } = await run(
          [...args, '--blacklist', 'async', '--redis-url', 'redis://127.0.0.1:1'],
          { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY },
        );
        expect([code, stderr]).toEqual([2, expect.stringContaining('no trigger tells of what a view reads')]);
        const redis = await startRedis();
        const server = await startServer({
          databaseUrl: world.url,
          args: ['--user-table', 'staff', '--redis-url', `redis://127.0.0.1:${redis.port}`],
          env: { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY },
        });
        try {
          expect(server.output()).toContain('user_view');
          const { outbox } = (await (await fetch(`${server.adminUrl}/kpis`)).json()) as {
            outbox: { mode: string };
          };
          expect(outbox.mode).toBe('sync');
        } finally {
          await server.stop();
          await redis.stop();
        }
      }));

    it('is not asked of a view whose key has another type, or whose claims are no jsonb', () =>
      shaped(
        `CREATE VIEW texts AS SELECT id::text AS id, is_active FROM auth_user;
       CREATE VIEW loose AS SELECT id, is_active, '{}'::text AS claims FROM auth_user`,
        'DROP VIEW texts, loose',
        async () => {
          expect(await atStart({ userTable: 'texts' })).toMatchObject({ code: 'USER_TABLE_MISSING' });
          expect(await atStart({ userTable: 'loose' })).toMatchObject({
            message: expect.stringContaining('claims must be jsonb') as string,
          });
          expect(await atStart({ userTable: 'loose', userClaimsColumn: 'role' })).toMatchObject({
            message: expect.stringContaining('no column role') as string,
          });
          expect(await atStart({ userTable: 'auth_user', userClaimsColumn: 'role' })).toMatchObject({
            message: expect.stringContaining('takes a column of a view') as string,
          });
        },
      ));

    it.each([
      ['the table', 'auth_user', ''],
      [
        'what a view reads',
        'mine',
        'CREATE VIEW mine WITH (security_invoker) AS SELECT id, is_active FROM auth_user',
      ],
    ])(
      'is told where row-level security hides %s from the role, at the start and by /readyz',
      (_, userTable, view) =>
        shaped(
          `${view};
       CREATE ROLE ${ROLE} LOGIN;
       GRANT SELECT, INSERT ON auth_user, token_blacklist_outstandingtoken, token_blacklist_blacklistedtoken TO ${ROLE};
       ${view === '' ? '' : `GRANT SELECT ON mine TO ${ROLE};`}
       GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${ROLE}; GRANT USAGE ON SCHEMA carelink TO ${ROLE};
       GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA carelink TO ${ROLE}`,
          `ALTER TABLE auth_user DISABLE ROW LEVEL SECURITY; DROP OWNED BY ${ROLE}; DROP ROLE ${ROLE}; DROP VIEW IF EXISTS mine`,
          async () => {
            const url = new URL(world.url);
            url.username = ROLE;
            const names = { userTable };
            expect(await atStart(names, url.href)).toBe('not refused');
            const database = testDatabase(url.href, { size: 1 });
            try {
              const schema = await readSchema(database, { ...AUTO, ...names });
              const clock = new ObservedDatabaseClock(() => performance.now(), Date.now());
              const health = () => checkHealth(database, schema, clock, () => performance.now());
              expect(await health()).toBe('ok');
              await world.sql('ALTER TABLE auth_user ENABLE ROW LEVEL SECURITY');
              expect(await health()).toBe('rows hidden');
            } finally {
              await database.end();
            }
            expect(await atStart(names, url.href)).toMatchObject({ code: 'ROWS_HIDDEN' });
          },
        ),
    );
  },
);

const ROLE = 'carelink_hidden_rows';

const AUTO = {
  userCheck: 'auto',
  userTable: undefined,
  userIdColumn: undefined,
  userActiveColumn: 'is_active',
} as const;
