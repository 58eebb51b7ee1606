/**
 * Refreshes a second of a site that doesn't rotate (`--rotation off`) beside one that does (`on`): one database, one run,
 * in turn. And what `off` sends to the database, by PostgreSQL's own count.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  query,
  createSimplejwtTables,
  createUsers,
  startCluster,
  type Cluster,
} from '../test/support/postgres.js';
import { startServer, type TestServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { insertOutstanding, mintRefresh, TEST_SIGNING_KEY } from '../test/support/tokens.js';
import { migrateDatabase } from './support/migrate.js';
import { median, startLoadGenerator, type LoadGenerator, type LoadResult } from './support/load.js';

const USERS = Number(process.env['BENCH_USERS'] ?? 100);
const BLOCK_SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);

describe.skipIf(services().postgresBin === undefined)('policies', () => {
  let cluster: Cluster;
  const servers = new Map<'on' | 'off', TestServer>();
  const tokens = new Map<'on' | 'off', string[]>();
  let load: LoadGenerator;

  beforeAll(async () => {
    cluster = await startCluster({
      settings: { shared_preload_libraries: 'pg_stat_statements', fsync: 'on', max_connections: '100' },
    });
    await query(cluster.url, 'CREATE EXTENSION pg_stat_statements');
    await createSimplejwtTables(cluster.url);
    await migrateDatabase(cluster.url);
    for (const policy of ['on', 'off'] as const) {
      const users = await createUsers(cluster.url, USERS);
      const minted = users.map((userId) => mintRefresh({ userId }));
      await insertOutstanding(cluster.url, minted);
      tokens.set(
        policy,
        minted.map(({ token }) => token),
      );
      const env = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };
      servers.set(policy, await startServer({ databaseUrl: cluster.url, args: ['--rotation', policy], env }));
    }
    load = startLoadGenerator();
  });
  afterAll(async () => {
    load.stop();
    for (const server of servers.values()) await server.stop();
    await cluster.stop();
  });

  it(`of ${USERS} users: off is at least twice as fast as on, and writes nothing`, async () => {
    const run = (policy: 'on' | 'off', seconds: number) =>
      load.run(`${servers.get(policy)!.url}/account/token/refresh/`, tokens.get(policy)!, seconds);
    const results = { on: [] as LoadResult[], off: [] as LoadResult[] };
    for (const policy of ['on', 'off'] as const) await run(policy, 2);
    let sent = 0;
    for (let round = 0; round < ROUNDS; round++) {
      results.on.push(await run('on', BLOCK_SECONDS));
      await query(cluster.url, 'SELECT pg_stat_statements_reset()');
      results.off.push(await run('off', BLOCK_SECONDS));
      // Health and the audit of KPIs read as well; nobody writes.
      const rows = await query<{ calls: number; refreshes: boolean; writes: boolean }>(
        cluster.url,
        `SELECT calls::int AS calls, query ~ 'AS blacklisted' AND query ~ 'unnest' AS refreshes,
                query ~* '\\m(INSERT|UPDATE|DELETE|pg_logical_emit_message)\\M' AS writes
           FROM pg_stat_statements WHERE query ~ 'token_blacklist|auth_user|carelink'`,
      );
      expect(rows.filter(({ writes, refreshes }) => writes && refreshes)).toEqual([]);
      sent += rows.filter(({ refreshes }) => refreshes).reduce((sum, { calls }) => sum + calls, 0);
    }
    const of = (name: 'on' | 'off', key: keyof LoadResult) => median(results[name].map((one) => one[key]));
    const ratio = median(results.off.map((off, at) => off.perSecond / results.on[at]!.perSecond));
    console.table(
      Object.fromEntries(
        (['on', 'off'] as const).map((name) => [
          name,
          {
            'refreshes/s': Math.round(of(name, 'perSecond')),
            'mean ms': of(name, 'meanMs').toFixed(2),
            'p99 ms': of(name, 'p99Ms').toFixed(2),
            failed: of(name, 'failed'),
          },
        ]),
      ),
    );
    const refreshes = results.off.reduce((sum, one) => sum + one.refreshes, 0);
    console.log(
      JSON.stringify({ timesOn: +ratio.toFixed(2), statementsPerRefresh: +(sent / refreshes).toFixed(4) }),
    );
    expect(results.off.every(({ failed }) => failed === 0)).toBe(true);
    expect(sent / refreshes).toBeLessThan(0.5);
    expect(ratio).toBeGreaterThanOrEqual(2);
  });
});
