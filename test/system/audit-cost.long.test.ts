/** What the audit costs where nothing is to be recorded: by PostgreSQL's own count of statements and of WAL. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../chaos/migrate.js';
import { json, send } from '../interop/http.js';
import { createSimplejwtTables, createUsers, freshDatabase, query, startCluster, type Cluster } from '../support/postgres.js'; // prettier-ignore
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh } from '../support/tokens.js';

const ROTATIONS = 200;
/** Half a second each where a family is walked. */
const LAPS = 40;

interface Cost {
  readonly calls: number;
  readonly walBytes: number;
  readonly walRecords: number;
}

describe.skipIf(services().postgresBin === undefined)('the audit, counted by pg_stat_statements', () => {
  let cluster: Cluster;
  let url: string;
  beforeAll(async () => {
    cluster = await startCluster({
      settings: {
        shared_preload_libraries: 'pg_stat_statements',
        // What a page's first change after a checkpoint costs says nothing of the statement.
        full_page_writes: 'off',
        autovacuum: 'off',
      },
    });
    ({ url } = await freshDatabase(cluster.url));
    await query(url, 'CREATE EXTENSION pg_stat_statements');
    await createSimplejwtTables(url);
    await migrate(url);
  });
  afterAll(() => cluster.stop());

  /** Of the servers' statements that match: neither health checks nor what a foreign key asks. */
  async function costOf(statements: string, work: () => Promise<void>): Promise<Cost> {
    await query(url, 'SELECT pg_stat_statements_reset()');
    await work();
    const [cost] = await query<Cost>(
      url,
      `SELECT coalesce(sum(calls), 0)::int AS calls, coalesce(sum(wal_bytes), 0)::int AS "walBytes",
              coalesce(sum(wal_records), 0)::int AS "walRecords"
         FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
        WHERE d.datname = current_database() AND query ~ $1 AND query !~ 'LIMIT (0|\\$\\d+)\\) [orb] ON|FOR KEY SHARE'`,
      [statements],
    );
    return cost!;
  }

  async function onServer<T>(args: readonly string[], work: (at: string) => Promise<T>): Promise<T> {
    const server = await startServer({ databaseUrl: url, args });
    try {
      return await work(server.url);
    } finally {
      await server.stop();
    }
  }

  const post = (at: string, path: string, token: string) =>
    send(at, json(`/account/token/${path}/`, { refresh: token }));

  async function login(): Promise<string> {
    const [userId] = await createUsers(url, 1);
    const token = mintRefresh({ userId: userId! });
    await insertOutstanding(url, [token]);
    return token.token;
  }

  async function rotate(at: string, token: string, times: number): Promise<string> {
    for (let n = 0; n < times; n++) {
      const reply = await post(at, 'refresh', token);
      expect(reply.status).toBe(200);
      token = (reply.body as { refresh: string }).refresh;
    }
    return token;
  }

  const refreshing = () =>
    onServer([], async (at) => {
      const token = await rotate(at, await login(), 5);
      return costOf('INSERT INTO .*token_blacklist', () =>
        rotate(at, token, ROTATIONS).then(() => undefined),
      );
    });

  it('refreshes send as many statements and write as much WAL with it as without', async () => {
    const recording = await refreshing();
    await query(url, 'ALTER TABLE carelink.audit RENAME TO put_away');
    const without = await refreshing();
    await query(url, 'ALTER TABLE carelink.put_away RENAME TO audit');
    console.log(JSON.stringify({ recording, without }));
    expect(recording.calls).toBe(ROTATIONS);
    expect(recording.calls).toBe(without.calls);
    expect(recording.walRecords / without.walRecords).toBeCloseTo(1, 1);
    expect(recording.walBytes / without.walBytes).toBeCloseTo(1, 1);
  });

  it.each(['reject', 'revoke-family', 'revoke-user'])(
    'a client in a loop of refused refreshes commits nothing: %s',
    async (onReuse) => {
      await onServer(['--on-reuse', onReuse], async (at) => {
        const first = await login();
        await rotate(at, first, 3);
        // A repeat is no reuse for 2 s.
        await query(
          url,
          `UPDATE token_blacklist_blacklistedtoken SET blacklisted_at = blacklisted_at - interval '5 min'`,
        );
        await query(url, `UPDATE token_blacklist_outstandingtoken SET created_at = created_at - interval '5 min'`); // prettier-ignore
        const lap = async () => expect((await post(at, 'refresh', first)).status).toBe(401);
        await lap();
        const audit = await query(url, 'SELECT * FROM carelink.audit ORDER BY id');
        const cost = await costOf('token_blacklist|carelink.audit', async () => {
          for (let n = 0; n < LAPS; n++) await lap();
        });
        console.log(onReuse, JSON.stringify(cost));
        expect(cost.walRecords).toBe(0);
        expect(cost.walBytes).toBe(0);
        // It was answered by the database, lap for lap.
        expect(cost.calls).toBeGreaterThanOrEqual(LAPS);
        expect(await query(url, 'SELECT * FROM carelink.audit ORDER BY id')).toEqual(audit);
      });
    },
  );
});
