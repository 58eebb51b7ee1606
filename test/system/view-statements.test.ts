/** What a view of users, its claims and a compared password cost in statements, as PostgreSQL counts them: nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../chaos/migrate.js';
import { pairOf, refresh } from '../interop/api.js';
import {
  createSimplejwtTables,
  createUsers,
  query,
  startCluster,
  type Cluster,
} from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken, insertOutstanding, mintRefresh } from '../support/tokens.js';

/** The MD5 of "x". */
const HASH = '9DD4E461268C8034F5C8564E155C67A6';

const VIEW = ['--user-table', 'carelink_users'];
const CHECK = ['--revoke-claim', 'hash_password'];

describe.skipIf(services().postgresBin === undefined)('refreshes', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({ settings: { shared_preload_libraries: 'pg_stat_statements' } });
    await query(cluster.url, 'CREATE EXTENSION pg_stat_statements');
    await createSimplejwtTables(cluster.url);
    await query(
      cluster.url,
      `ALTER TABLE auth_user ADD COLUMN password text DEFAULT 'x', ADD COLUMN role text DEFAULT 'nurse';
       CREATE VIEW carelink_users AS
       SELECT id, is_active, password, jsonb_build_object('role', role) AS claims FROM auth_user`,
    );
    await migrate(cluster.url);
  });
  afterAll(() => cluster.stop());

  /** How often each statement on tokens or users ran for five refreshes in a row, and the last one's role. */
  async function sentWith(args: readonly string[]) {
    const server = await startServer({ databaseUrl: cluster.url, args });
    try {
      const [userId] = await createUsers(cluster.url, 1);
      const login = mintRefresh({ userId: Number(userId), claims: { hash_password: HASH } });
      await insertOutstanding(cluster.url, [login]);
      await query(cluster.url, 'SELECT pg_stat_statements_reset()');
      let role: unknown;
      let token = login.token;
      for (let n = 0; n < 5; n++) {
        const pair = pairOf(await refresh(server.url, token));
        token = pair.refresh;
        role = decodeToken(pair.access).claims['role'];
      }
      const rows = await query<{ calls: number }>(
        cluster.url,
        `SELECT calls::int AS calls FROM pg_stat_statements
          WHERE query ~ 'token_blacklist|auth_user|carelink_users'
            AND query !~ 'FOR KEY SHARE|pg_stat_statements|WITH picked' ORDER BY 1`,
      );
      return { calls: rows.map(({ calls }) => calls), role };
    } finally {
      await server.stop();
    }
  }

  it('send as many statements with a view, its claims and a compared password as without', async () => {
    const plain = await sentWith([]);
    expect(plain).toEqual({ calls: [1, 4], role: undefined });
    expect(await sentWith(CHECK)).toEqual(plain);
    // With a view nothing is kept of a token, so that all five may be of one text: their number is the same.
    const asked = await sentWith(VIEW);
    expect({ calls: asked.calls.reduce((sum, calls) => sum + calls, 0), role: asked.role }).toEqual({
      calls: 5,
      role: 'nurse',
    });
    expect(await sentWith([...VIEW, ...CHECK])).toEqual(asked);
  });
});
