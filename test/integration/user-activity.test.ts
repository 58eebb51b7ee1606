import { describe, expect, it } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { readSchema } from '../../src/store/schema.js';
import { run } from '../cli/run.js';
import { testDatabase } from '../support/database.js';
import type { InstanceOptions } from '../support/rotation.js';
import { rotationWorld } from '../support/rotation-world.js';
import { toldOf } from '../support/told.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const FOREIGN_KEY = 'token_blacklist_outs_user_id_83bc629a_fk_auth_user';

describe.skipIf(services().postgres === undefined)('whether a user is active', () => {
  const world = rotationWorld();

  /** Works on the user table in another shape, and brings it back to the usual one. */
  const shaped = async (change: string, back: string, work: () => Promise<void>): Promise<void> => {
    await world.sql(change);
    try {
      await work();
    } finally {
      await world.sql(back);
    }
  };
  const user = async (insert: string): Promise<number> => (await world.sql<{ key: number }>(insert))[0]!.key;
  const login = async (userId: number): Promise<string> => {
    const token = mintRefresh({ userId });
    await insertOutstanding(world.url, [token]);
    return token.token;
  };
  /** What two users get, of whom the second is deactivated. */
  const outcomes = async (insert: string, deactivate: string, options: InstanceOptions = {}) => {
    const { service } = await world.start(options);
    const [stays, goes] = [await user(insert), await user(insert)];
    const tokens = [await login(stays), await login(goes)];
    await world.sql(deactivate, [goes]);
    return Promise.all(tokens.map(async (token) => (await service.refresh(token)).kind));
  };
  const refusal = async (options: Partial<Parameters<typeof readSchema>[1]> = {}): Promise<unknown> => {
    const database = testDatabase(world.url, { size: 1 });
    try {
      return await readSchema(database, {
        userCheck: 'auto',
        userTable: undefined,
        userIdColumn: undefined,
        userActiveColumn: 'is_active',
        ...options,
      }).then(
        () => 'not refused',
        (error: unknown) => error,
      );
    } finally {
      await database.end();
    }
  };

  it('is read by the column that user_id refers to, whatever its name', () =>
    shaped(
      'ALTER TABLE auth_user RENAME COLUMN id TO staff_no',
      'ALTER TABLE auth_user RENAME COLUMN staff_no TO id',
      async () =>
        expect(
          await outcomes(
            'INSERT INTO auth_user (is_active) VALUES (true) RETURNING staff_no AS key',
            'UPDATE auth_user SET is_active = false WHERE staff_no = $1',
          ),
        ).toEqual(['rotated', 'inactive']),
    ));

  it('is read of a number: 0 is no', () =>
    shaped(
      'ALTER TABLE auth_user ALTER is_active TYPE smallint USING is_active::int::smallint',
      'ALTER TABLE auth_user ALTER is_active TYPE boolean USING is_active <> 0',
      async () =>
        expect(
          await outcomes(
            'INSERT INTO auth_user (is_active) VALUES (1) RETURNING id AS key',
            'UPDATE auth_user SET is_active = 0 WHERE id = $1',
          ),
        ).toEqual(['rotated', 'inactive']),
    ));

  it('is refused at the start where a parent model has the column, and read where that is named', () =>
    shaped(
      `CREATE TABLE nurse (user_ptr_id int PRIMARY KEY REFERENCES auth_user (id), ward text);
       ALTER TABLE ${OUTSTANDING} DROP CONSTRAINT "${FOREIGN_KEY}";
       ALTER TABLE ${OUTSTANDING} ADD CONSTRAINT nurse_fk FOREIGN KEY (user_id) REFERENCES nurse DEFERRABLE INITIALLY DEFERRED NOT VALID`,
      `ALTER TABLE ${OUTSTANDING} DROP CONSTRAINT nurse_fk; DROP TABLE nurse;
       ALTER TABLE ${OUTSTANDING} ADD CONSTRAINT "${FOREIGN_KEY}" FOREIGN KEY (user_id) REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED NOT VALID`,
      async () => {
        expect(await refusal()).toMatchObject({
          code: 'USER_TABLE_MISSING',
          message: expect.stringMatching(
            /public\.nurse has no column is_active.*--user-table public\.auth_user/,
          ) as string,
        });
        const insert = `WITH u AS (INSERT INTO auth_user (is_active) VALUES (true) RETURNING id)
                        INSERT INTO nurse SELECT id FROM u RETURNING user_ptr_id AS key`;
        const deactivate = 'UPDATE auth_user SET is_active = false WHERE id = $1';
        const users = { userTable: 'public.auth_user' };
        expect(await outcomes(insert, deactivate, { users })).toEqual(['rotated', 'inactive']);
      },
    ));

  it('is refused at the start where it is a property and no column, and read of a view that says it', () =>
    shaped(
      `ALTER TABLE auth_user RENAME COLUMN is_active TO enabled; ALTER TABLE auth_user ADD left_on date;
       CREATE VIEW staff AS SELECT id, enabled AND left_on IS NULL AS is_active FROM auth_user`,
      `DROP VIEW staff; ALTER TABLE auth_user DROP left_on; ALTER TABLE auth_user RENAME COLUMN enabled TO is_active`,
      async () => {
        const { code, stderr } = await run(
          ['serve', '--port', '0', '--admin-port', '0', '--database-url', world.url],
          { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY },
        );
        expect([code, stderr]).toEqual([4, expect.stringContaining('--user-active-column')]);
        expect(stderr).toMatch(/--user-table.*--user-check off/s);
        const insert = 'INSERT INTO auth_user (enabled) VALUES (true) RETURNING id AS key';
        const leave = 'UPDATE auth_user SET left_on = now() WHERE id = $1';
        const users = { userTable: 'staff' };
        expect(await outcomes(insert, leave, { users })).toEqual(['rotated', 'inactive']);
      },
    ));

  it('is refused at the start where no foreign key says which table, also beside an auth_user that was left behind', () =>
    shaped(
      `ALTER TABLE ${OUTSTANDING} DROP CONSTRAINT "${FOREIGN_KEY}"`,
      `ALTER TABLE ${OUTSTANDING} ADD CONSTRAINT "${FOREIGN_KEY}" FOREIGN KEY (user_id) REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED NOT VALID`,
      async () => {
        const words = expect.stringMatching(/refers to no table.*--user-table.*--user-check off/s) as string;
        expect(await refusal()).toMatchObject({ code: 'USER_TABLE_MISSING', message: words });
        expect(await refusal({ userCheck: 'on' })).toMatchObject({ code: 'USER_TABLE_MISSING' });
        expect(await refusal({ userTable: 'auth_user' })).toBe('not refused');
        expect(await refusal({ userCheck: 'off' })).toBe('not refused');
      },
    ));

  it('is told by triggers where a number says it, under a key of its own name, and not with every other change', () =>
    shaped(
      `ALTER TABLE auth_user ALTER is_active TYPE smallint USING is_active::int::smallint;
       ALTER TABLE auth_user RENAME COLUMN id TO staff_no; ALTER TABLE auth_user ADD last_login timestamptz`,
      `ALTER TABLE auth_user DROP last_login; ALTER TABLE auth_user RENAME COLUMN staff_no TO id;
       ALTER TABLE auth_user ALTER is_active TYPE boolean USING is_active <> 0`,
      async () => {
        await applyMigrations(world.url, { createTables: false, notify: true });
        const key = await user('INSERT INTO auth_user (is_active) VALUES (1) RETURNING staff_no AS key');
        const payloads = await toldOf(world.url, [
          `UPDATE auth_user SET last_login = now() WHERE staff_no = ${key}`,
          `UPDATE auth_user SET is_active = 2 WHERE staff_no = ${key}`,
          `UPDATE auth_user SET is_active = 0 WHERE staff_no = ${key}`,
        ]);
        expect(payloads).toEqual([`{"users":["${key}"]}`]);
      },
    ));
});
