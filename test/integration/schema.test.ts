import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NotConnectedError } from '../../src/store/errors.js';
import type { PgDatabase } from '../../src/store/pool.js';
import { askOf } from '../../src/store/database.js';
import { checkRights } from '../../src/store/rights.js';
import { readSchema } from '../../src/store/schema.js';
import type { UserOptions } from '../../src/store/user-source.js';
import { applyMigrations } from '../../src/migrate/index.js';
import { testDatabase } from '../support/database.js';
import { createSimplejwtTables, freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';

const open = (connection: string) => testDatabase(connection, { size: 2 });

const OPTIONS: UserOptions = {
  userCheck: 'auto',
  userTable: undefined,
  userIdColumn: undefined,
  userActiveColumn: 'is_active',
};

describe.skipIf(services().postgres === undefined)('the catalog', () => {
  const databases: FreshDatabase[] = [];
  const pools: PgDatabase[] = [];
  const connect = async (): Promise<{ url: string; pool: PgDatabase }> => {
    const database = await freshDatabase();
    databases.push(database);
    const pool = open(database.url);
    pools.push(pool);
    return { url: database.url, pool };
  };
  afterAll(async () => {
    await Promise.all(pools.map((pool) => pool.end()));
    await Promise.all(databases.map((database) => database.drop()));
  });

  describe('of a database that is not ready', () => {
    it('names the table that is missing, and what makes it', async () => {
      const { pool } = await connect();
      await expect(readSchema(pool, OPTIONS)).rejects.toMatchObject({ code: 'TABLES_MISSING' });
      await expect(readSchema(pool, OPTIONS)).rejects.toThrow('migrate token_blacklist');
    });

    it('says that carelink-tokens migrate has to run', async () => {
      const { url, pool } = await connect();
      await createSimplejwtTables(url);
      await expect(readSchema(pool, OPTIONS)).rejects.toMatchObject({ code: 'CARELINK_SCHEMA_MISSING' });
    });

    it('says of a role that may not look into our schema what to grant', async () => {
      const { url, pool } = await connect();
      await createSimplejwtTables(url);
      await applyMigrations(url, { createTables: false });
      const role = `stranger_${process.pid}`;
      await query(url, `CREATE ROLE ${role} LOGIN`);
      try {
        await pool.query('health', { text: `SET ROLE ${role}` });
        const denied = readSchema(pool, OPTIONS).then((schema) =>
          checkRights(askOf(pool), schema, ['serve']),
        );
        await expect(denied).rejects.toMatchObject({ code: 'GRANTS_MISSING' });
        await expect(denied).rejects.toThrow('GRANT USAGE ON SCHEMA carelink');
      } finally {
        await query(url, `DROP ROLE ${role}`);
      }
    });

    it('says of a database that cannot be reached that nothing was sent', async () => {
      const pool = open('postgres://postgres@127.0.0.1:1/none');
      pools.push(pool);
      await expect(readSchema(pool, OPTIONS)).rejects.toBeInstanceOf(NotConnectedError);
    });
  });

  describe('of users', () => {
    let url: string;
    let pool: PgDatabase;
    beforeAll(async () => {
      ({ url, pool } = await connect());
      await createSimplejwtTables(url, { userIdType: 'uuid' });
      await applyMigrations(url, { createTables: false });
      await query(url, 'CREATE TABLE "Staff" (badge varchar PRIMARY KEY, "on duty" boolean, note text)');
    });

    it('follows the foreign key to the user model, whatever its name and key', async () => {
      await query(url, 'ALTER TABLE auth_user RENAME TO hospital_staff');
      const schema = await readSchema(pool, OPTIONS);
      expect(schema).toMatchObject({
        userIdType: 'uuid',
        userKeyType: 'uuid',
        users: {
          name: 'public.hospital_staff',
          keyColumn: '"id"',
          keyType: 'uuid',
          activeColumn: '"is_active"',
        },
      });
      await query(url, 'ALTER TABLE hospital_staff RENAME TO auth_user');
    });

    it('takes the table and columns that it is told', async () => {
      const schema = await readSchema(pool, {
        userCheck: 'on',
        userTable: 'Staff',
        userIdColumn: 'badge',
        userActiveColumn: 'on duty',
      });
      expect(schema).toMatchObject({
        userKeyType: 'text',
        users: { name: 'public."Staff"', keyColumn: '"badge"', activeColumn: '"on duty"' },
      });
    });

    it('compares a key of fixed width whole, not its first letter', async () => {
      await query(url, 'CREATE TABLE ward (ulid char(26) PRIMARY KEY, is_active boolean)');
      await query(url, `INSERT INTO ward VALUES ('01ARZ3NDEKTSV4RRFFQ69G5FAV', true)`);
      const { users } = await readSchema(pool, {
        ...OPTIONS,
        userCheck: 'on',
        userTable: 'ward',
        userIdColumn: 'ulid',
      });
      const found = await query(
        url,
        `SELECT FROM ${users!.name} u WHERE u.${users!.keyColumn} = $1::text::${users!.keyType}`,
        ['01ARZ3NDEKTSV4RRFFQ69G5FAV'],
      );
      expect(found).toHaveLength(1);
    });

    it('fails closed where the check is on and the table is not there', async () => {
      const missing = readSchema(pool, { ...OPTIONS, userCheck: 'on', userTable: 'nobody' });
      await expect(missing).rejects.toMatchObject({ code: 'USER_TABLE_MISSING' });
      const column = readSchema(pool, { ...OPTIONS, userCheck: 'on', userActiveColumn: 'active' });
      await expect(column).rejects.toThrow('no column active');
    });

    it('refuses an active column that is neither boolean nor a number', async () => {
      const text = readSchema(pool, {
        userCheck: 'on',
        userTable: 'Staff',
        userIdColumn: 'badge',
        userActiveColumn: 'note',
      });
      await expect(text).rejects.toThrow('boolean');
    });

    it('checks nobody where it is off, or where nobody has users: in the embedded database', async () => {
      expect(await readSchema(pool, { ...OPTIONS, userCheck: 'off' })).toMatchObject({ users: undefined });
      const other = await connect();
      await createSimplejwtTables(other.url, { users: false });
      await applyMigrations(other.url, { createTables: false });
      await expect(readSchema(other.pool, OPTIONS)).rejects.toMatchObject({ code: 'USER_TABLE_MISSING' });
      expect(await readSchema(other.pool, { ...OPTIONS, mayLackUsers: true })).toMatchObject({
        users: undefined,
        userKeyType: 'integer',
      });
    });
  });
});

describe.skipIf(services().postgres === undefined)('a connection', () => {
  it('has its settings set, whatever the database and the role say', async () => {
    const database = await freshDatabase();
    const name = new URL(database.url).pathname.slice(1);
    await query(
      database.url,
      `ALTER DATABASE ${name} SET default_transaction_isolation = 'serializable';
       ALTER DATABASE ${name} SET synchronous_commit = off;
       ALTER DATABASE ${name} SET lock_timeout = 0`,
    );
    const pool = open(database.url);
    const [row] = await pool.query('lookup', {
      text: `SELECT current_setting('transaction_isolation') AS isolation,
                    current_setting('synchronous_commit') AS commit,
                    current_setting('lock_timeout') AS lock`,
    });
    await pool.end();
    await database.drop();
    expect(row).toEqual({ isolation: 'read committed', commit: 'on', lock: '100ms' });
  });

  it('that the server refused a statement on is used again; one that broke is not', async () => {
    const database = await freshDatabase();
    const pool = open(database.url);
    const pid = async () =>
      (await pool.query<{ pid: number }>('lookup', { text: 'SELECT pg_backend_pid() AS pid' }))[0]!.pid;
    const first = await pid();
    await expect(pool.query('lookup', { text: 'SELECT 1/0' })).rejects.toMatchObject({ code: '22012' });
    expect(await pid()).toBe(first);
    await query(database.url, 'SELECT pg_terminate_backend($1)', [first]);
    await expect.poll(() => pid().catch(() => first), { timeout: 10_000 }).not.toBe(first);
    await pool.end();
    await database.drop();
  });
});
