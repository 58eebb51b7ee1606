/** The trigger on users has versions: a server that compares passwords relies on none that doesn't tell of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyMigrations, readMigrationOverview, removeMigrations } from '../../src/migrate/index.js';
import type { Change } from '../../src/rotation/change-feed.js';
import { PgChangeFeed } from '../../src/store/change-feed.js';
import type { PgDatabase } from '../../src/store/pool.js';
import { readSchema } from '../../src/store/schema.js';
import { testDatabase } from '../support/database.js';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  query,
  type FreshDatabase,
} from '../support/postgres.js';
import { services } from '../support/services.js';

const USERS = {
  userCheck: 'auto',
  userTable: undefined,
  userIdColumn: undefined,
  userActiveColumn: 'is_active',
} as const;

describe.skipIf(services().postgres === undefined)('triggers that tell of a changed password', () => {
  let database: FreshDatabase;
  let pool: PgDatabase;
  let feeds: PgChangeFeed[];
  let told: string[];

  beforeEach(async () => {
    database = await freshDatabase();
    await createSimplejwtTables(database.url);
    await query(
      database.url,
      'ALTER TABLE auth_user ADD COLUMN password text, ADD COLUMN last_login timestamptz',
    );
    pool = testDatabase(database.url, { size: 4 });
    feeds = [];
    told = [];
  });
  afterEach(async () => {
    await Promise.all(feeds.map((feed) => feed.stop()));
    await pool.end();
    await database.drop();
  });

  const migrate = (options: Partial<Parameters<typeof applyMigrations>[1]> = {}) =>
    applyMigrations(database.url, { createTables: false, ...options });

  /** A feed of a server, with `--revoke-claim` or without. */
  async function listen(compares: boolean, passwordColumn = 'password'): Promise<PgChangeFeed> {
    const schema = await readSchema(pool, {
      ...USERS,
      passwordColumn,
      ...(compares ? { passwordHash: 'md5' as const } : {}),
    });
    const feed = new PgChangeFeed({
      ...{ connection: database.url, database: pool, schema },
      ...{ monotonicMs: () => performance.now(), random: Math.random, onChange: () => undefined },
    });
    feed.subscribe({
      onChange: (change: Change) => told.push(change.kind === 'user' ? change.userKey : change.kind),
      onAlive: () => undefined,
      onLost: () => told.push('gap'),
    });
    feed.start();
    feeds.push(feed);
    return feed;
  }

  const state = (feed: PgChangeFeed) => expect.poll(() => feed.state, { timeout: 30_000 });

  it('the version of an earlier release is enough for whoever compares none, and for nobody else', async () => {
    await migrate({ names: ['carelink_schema', 'notify_changes'] });
    await migrate();
    const [plain, comparing] = [await listen(false), await listen(true)];
    await state(plain).toBe('alive');
    await state(comparing).toBe('triggers_old');
    expect(comparing.alive).toBe(false);
    await migrate({ notify: true });
    await state(await listen(true)).toBe('alive');
    await state(plain).toBe('alive');
  });

  it('the newer version is found as applied, and made again where the older one took its place', async () => {
    await migrate({ notify: true });
    const pending = async () =>
      (await readMigrationOverview(database.url)).migrations.flatMap(({ name, state }) =>
        state === 'pending' ? [name] : [],
      );
    expect(await pending()).toEqual([]);
    // As the release before makes it, where it finds it missing.
    await query(database.url, 'DROP TRIGGER carelink_tell_users_changed ON auth_user');
    await migrate({ names: ['notify_changes'] });
    expect(await pending()).toEqual(['notify_passwords']);
    await migrate();
    expect(await pending()).toEqual([]);
    await state(await listen(true)).toBe('alive');
    await removeMigrations(database.url, { names: ['notify_passwords', 'notify_changes'] });
    expect(await query(database.url, `SELECT 1 FROM pg_trigger WHERE tgname LIKE 'carelink%'`)).toEqual([]);
  });

  it('another column than the one that is compared is another trigger', async () => {
    await query(database.url, 'ALTER TABLE auth_user ADD COLUMN secret text');
    await migrate({ notify: true });
    const feed = await listen(true, 'secret');
    await state(feed).toBe('triggers_old');
    await migrate({
      notify: true,
      names: ['notify_passwords'],
      users: { ...USERS, passwordColumn: 'secret' },
    });
    // What is applied is not looked at again; whoever changes the setting undoes it first.
    await removeMigrations(database.url, { names: ['notify_passwords'] });
    await migrate({ notify: true, users: { ...USERS, passwordColumn: 'secret' } });
    await state(await listen(true, 'secret')).toBe('alive');
  });

  it.each([
    ['boolean', 'boolean USING is_active', 'true', 'false'],
    ['smallint', 'smallint USING is_active::int', '1', '0'],
  ])(
    'with an active column of %s it tells of passwords and of activity, and of no log-in',
    async (_, type, on, off) => {
      await query(database.url, `ALTER TABLE auth_user ALTER COLUMN is_active TYPE ${type}`);
      await migrate({ notify: true });
      const feed = await listen(true);
      await state(feed).toBe('alive');
      const [a, b] = (await query<{ id: number }>(
        database.url,
        `INSERT INTO auth_user (is_active) VALUES (${on}), (${on}) RETURNING id`,
      )) as [{ id: number }, { id: number }];
      const update = (set: string, id: number) =>
        query(database.url, `UPDATE auth_user SET ${set} WHERE id = $1`, [id]);
      await update('last_login = now()', a.id);
      await update(`password = 'one'`, a.id);
      await update(`password = 'one', last_login = now()`, a.id);
      await update(`password = 'two'`, a.id);
      await update(`is_active = ${off}`, b.id);
      await update('password = NULL', a.id);
      const keys = [a.id, a.id, b.id, a.id].map(String);
      await expect.poll(() => told.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(keys.length);
      await sleep(50);
      expect(told).toEqual(keys);
    },
  );

  it('where the user table has no password there is nothing to tell, and the first version stays', async () => {
    await query(database.url, 'ALTER TABLE auth_user DROP COLUMN password');
    await migrate({ notify: true });
    await state(await listen(false)).toBe('alive');
    const [user] = await createUsers(database.url, 1);
    await query(database.url, 'UPDATE auth_user SET is_active = false WHERE id = $1', [user]);
    await expect.poll(() => told, { timeout: 30_000 }).toEqual([String(user)]);
  });
});
