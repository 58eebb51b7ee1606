/** Whether a row stood at a moment is told by its transaction, whatever was running then. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSchema } from '../../src/store/schema.js';
import { readHorizon, readSettled, type Horizon } from '../../src/store/settled.js';
import type { PgDatabase } from '../../src/store/pool.js';
import { testDatabase } from '../support/database.js';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  openClient,
  query,
  type FreshDatabase,
} from '../support/postgres.js';
import { services } from '../support/services.js';
import { migrate } from '../support/shadow.js';
import { insertOutstanding, mintRefresh, type MintedToken } from '../support/tokens.js';

describe.skipIf(services().postgres === undefined)('rows and a horizon', () => {
  let fresh: FreshDatabase;
  let database: PgDatabase;
  let schema: Awaited<ReturnType<typeof readSchema>>;

  beforeAll(async () => {
    fresh = await freshDatabase();
    await createSimplejwtTables(fresh.url);
    await migrate(fresh.url);
    database = testDatabase(fresh.url, { size: 2, readOnly: true });
    schema = await readSchema(database, { userCheck: 'auto', userTable: undefined, userIdColumn: undefined, userActiveColumn: 'is_active' }); // prettier-ignore
  });
  afterAll(async () => {
    await database.end();
    await fresh.drop();
  });

  const login = async (): Promise<MintedToken & { rowId: string }> => {
    const [userId] = await createUsers(fresh.url, 1);
    const token = mintRefresh({ userId: userId! });
    const [rowId] = await insertOutstanding(fresh.url, [token]);
    return { ...token, rowId: rowId! };
  };
  const BLACKLIST =
    'INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) VALUES (now(), $1)';
  const settled = (token: MintedToken, horizon: Horizon) =>
    readSettled(database, schema, { jti: token.jti, userKey: String(token.userId) }, horizon);

  /** A horizon that no transaction of anybody else's on this server holds back to before now. */
  const horizonNow = async (): Promise<Horizon> => {
    const [row] = await query<{ next: string }>(fresh.url, 'SELECT txid_snapshot_xmax(txid_current_snapshot())::text AS next'); // prettier-ignore
    const end = Date.now() + 20_000;
    for (;;) {
      const horizon = await readHorizon(database);
      if (horizon !== undefined && BigInt(horizon.xid) >= BigInt(row!.next)) return horizon;
      if (Date.now() > end) throw new Error('somebody holds a transaction open');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  it('stood: what was committed before it', async () => {
    const token = await login();
    await query(fresh.url, BLACKLIST, [token.rowId]);
    expect(await settled(token, await horizonNow())).toEqual({
      blacklisted: true,
      user: true,
      revocation: null,
    });
  });

  it('did not: what was committed after it', async () => {
    const token = await login();
    const horizon = await horizonNow();
    await query(fresh.url, BLACKLIST, [token.rowId]);
    await query(fresh.url, 'UPDATE auth_user SET is_active = false WHERE id = $1', [token.userId]);
    await query(fresh.url, `INSERT INTO carelink.revoked_before (user_key, at) VALUES ($1, now())`, [
      String(token.userId),
    ]);
    expect(await settled(token, horizon)).toEqual({ blacklisted: false, user: false, revocation: false });
  });

  it('did not: what ran then, under a savepoint, whose id a snapshot does not list', async () => {
    const token = await login();
    const client = await openClient(fresh.url);
    try {
      await client.query('BEGIN');
      await client.query('SELECT txid_current()');
      await client.query('SAVEPOINT nested');
      await client.query(BLACKLIST, [token.rowId]);
      await client.query('RELEASE nested');
      const horizon = (await readHorizon(database))!;
      await client.query('COMMIT');
      expect((await settled(token, horizon)).blacklisted).toBe(false);
    } finally {
      await client.end();
    }
  });

  it('nothing tells of what is not there', async () => {
    const token = mintRefresh({ userId: 2_000_000_000 });
    expect(await settled(token, await horizonNow())).toEqual({
      blacklisted: null,
      user: null,
      revocation: null,
    });
  });

  it('nothing can be written over its connections', async () => {
    const write = { text: 'CREATE TABLE written ()' };
    await expect(database.query('health', write)).rejects.toThrow(/read-only transaction/);
  });
});
