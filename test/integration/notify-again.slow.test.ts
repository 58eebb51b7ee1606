/** `migrate --notify` run again with other options of users: the triggers follow them, and stay where nothing was said. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations, readMigrationOverview } from '../../src/migrate/index.js';
import type { UserNames } from '../../src/store/user-source.js';
import { createSimplejwtTables, freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { toldOf } from '../support/told.js';

const USERS: UserNames = { userTable: undefined, userIdColumn: undefined, userActiveColumn: 'is_active' };

describe.skipIf(services().postgres === undefined)('migrate --notify, again', () => {
  let database: FreshDatabase;
  beforeEach(async () => {
    database = await freshDatabase();
    await createSimplejwtTables(database.url);
  });
  afterEach(() => database.drop());

  /** Of what follows the users, what isn't the function of them: that has a test of its own. */
  const ofTriggers = (name: string): boolean => name !== 'revoke_user';
  /** The names of what was done. */
  const notify = async (users: Partial<UserNames> = {}): Promise<string[]> => {
    const options = { createTables: false, notify: true, users: { ...USERS, ...users } };
    const { steps } = await applyMigrations(database.url, options);
    return steps.flatMap(({ name, outcome }) => (outcome === 'applied' ? [name] : [])).filter(ofTriggers);
  };
  const pending = async (users: Partial<UserNames> = {}): Promise<string[]> => {
    const { migrations } = await readMigrationOverview(database.url, { users: { ...USERS, ...users } });
    return migrations.flatMap(({ name, state }) => (state === 'pending' ? [name] : [])).filter(ofTriggers);
  };
  const sql = (text: string) => query(database.url, text);
  const user = async (columns = '') =>
    (await query<{ id: string }>(database.url, `INSERT INTO auth_user ${columns} RETURNING id::text`))[0]!.id;

  it('tells of users once an option says who they are', async () => {
    await sql('ALTER TABLE auth_user RENAME COLUMN is_active TO note');
    await notify();
    const id = await user('(note) VALUES (true)');
    const gone = [`DELETE FROM auth_user WHERE id = ${id}`];
    expect(await pending()).toEqual([]);
    expect(await pending({ userCheck: 'exists' })).toEqual(['notify_changes']);
    expect(await notify({ userCheck: 'exists' })).toEqual(['notify_changes']);
    expect(await toldOf(database.url, gone)).toEqual([`{"users":["${id}"]}`]);
    expect(await notify({ userCheck: 'exists' })).toEqual([]);
    expect(await pending({ userCheck: 'exists' })).toEqual([]);
  });

  it('tells of another column, once that is named', async () => {
    await sql(
      'ALTER TABLE auth_user ADD COLUMN enabled boolean NOT NULL DEFAULT true, ADD COLUMN login text',
    );
    await notify();
    const id = await user('(is_active, login) VALUES (true, $$ann$$)');
    const disable = [`UPDATE auth_user SET enabled = NOT enabled WHERE id = ${id}`];
    expect(await toldOf(database.url, disable)).toEqual([]);
    const named = { userActiveColumn: 'enabled', userIdColumn: 'login' };
    expect(await notify(named)).toEqual(['notify_changes']);
    expect(await toldOf(database.url, disable)).toEqual(['{"users":["ann"]}']);
    expect(await notify(named)).toEqual([]);
    // Nothing was said: what is there stays.
    expect(await pending()).toEqual([]);
    expect(await notify()).toEqual([]);
    expect(await toldOf(database.url, disable)).toEqual(['{"users":["ann"]}']);
  });

  it('tells of another table, and no longer of the first', async () => {
    await notify();
    await sql(
      'CREATE TABLE staff (id int PRIMARY KEY, is_active boolean); INSERT INTO staff VALUES (1, true)',
    );
    const id = await user('(is_active) VALUES (true)');
    expect(await notify({ userTable: 'staff' })).toEqual(['notify_changes', 'notify_passwords']);
    const both = ['UPDATE auth_user SET is_active = NOT is_active', 'UPDATE staff SET is_active = false'];
    expect(await toldOf(database.url, both)).toEqual(['{"users":["1"]}']);
    expect(await toldOf(database.url, [`DELETE FROM auth_user WHERE id = ${id}`])).toEqual([]);
  });

  it('tells of another column of passwords, with --user-check exists, too', async () => {
    await sql('ALTER TABLE auth_user ADD COLUMN password text, ADD COLUMN secret text');
    await notify({ userCheck: 'exists' });
    const id = await user('(is_active) VALUES (true)');
    const change = (column: string) => [`UPDATE auth_user SET ${column} = md5(random()::text)`];
    const told = [`{"users":["${id}"]}`];
    expect(await toldOf(database.url, change('password'))).toEqual(told);
    expect(await toldOf(database.url, ['UPDATE auth_user SET is_active = false'])).toEqual([]);
    expect(await toldOf(database.url, change('secret'))).toEqual([]);
    expect(await notify({ userCheck: 'exists', passwordColumn: 'secret' })).toEqual(['notify_passwords']);
    expect(await toldOf(database.url, change('secret'))).toEqual(told);
    expect(await toldOf(database.url, change('password'))).toEqual([]);
    expect(await notify({ userCheck: 'exists', passwordColumn: 'secret' })).toEqual([]);
  });

  it('refuses a table that is not there, though the triggers are', async () => {
    await notify();
    expect(await pending({ userTable: 'nobody' })).toEqual(['notify_changes', 'notify_passwords']);
    await expect(notify({ userTable: 'nobody' })).rejects.toMatchObject({ code: 'UNSAFE' });
  });
});
