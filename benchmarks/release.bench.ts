/**
 * This checkout against another one (`BENCH_OTHER`, its directory, built): has a change made refreshes slower? Both
 * servers run on one database, in turn, so that a slow moment of the machine falls on both.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSimplejwtTables, query, startCluster, type Cluster } from '../test/support/postgres.js';
import { owedIn, startRedis, until, type RedisServer } from '../test/support/redis.js';
import { startServer, type TestServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { mintRefresh } from '../test/support/tokens.js';
import { cpuUs, treeCpuUs } from './support/cpu.js';
import { migrateDatabase } from './support/migrate.js';
import { median, startLoadGenerator, type LoadGenerator, type LoadResult } from './support/load.js';

const USERS = Number(process.env['BENCH_USERS'] ?? 100);
const BLOCK_SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 9);
const OTHER = process.env['BENCH_OTHER'];
const PATH = '/account/token/refresh/';

describe.skipIf(OTHER === undefined || services().postgresBin === undefined)('another build', () => {
  let cluster: Cluster;
  let load: LoadGenerator;
  beforeAll(async () => {
    cluster = await startCluster({
      settings: { shared_preload_libraries: 'pg_stat_statements', fsync: 'on', max_connections: '200' },
    });
    await query(cluster.url, 'CREATE EXTENSION pg_stat_statements');
    await createSimplejwtTables(cluster.url, { users: true });
    await query(
      cluster.url,
      'INSERT INTO auth_user (id, is_active) SELECT n, true FROM generate_series(1, 1000) n',
    );
    await migrateDatabase(cluster.url);
    load = startLoadGenerator();
  });
  afterAll(async () => {
    load.stop();
    await cluster.stop();
  });

  it('in sync mode', () => compare({ this: [], other: [] }, () => Promise.resolve()));

  it.skipIf(services().redis === undefined)('in async mode', async () => {
    // One for each: on a shared one either would write behind what the other has answered.
    const redises = { this: await startRedis(), other: await startRedis() };
    const args = ({ port }: RedisServer) => [
      '--redis-url',
      `redis://127.0.0.1:${port}`,
      '--blacklist',
      'async',
    ];
    try {
      // What was answered is still to be written: a side's own work, and not that of whose turn it is next.
      const written = () => until(async () => (await owedIn([redises.this, redises.other])) === 0);
      await compare({ this: args(redises.this), other: args(redises.other) }, written);
    } finally {
      await redises.this.stop();
      await redises.other.stop();
    }
  });

  async function compare(
    args: Record<'this' | 'other', readonly string[]>,
    written: () => Promise<void>,
  ): Promise<void> {
    const databaseUrl = cluster.url;
    const bin = join(OTHER!, 'bin/carelink-tokens.js');
    const sides: Record<'this' | 'other', TestServer> = {
      this: await startServer({ databaseUrl, args: args.this }),
      other: await startServer({ databaseUrl, args: args.other, bin }),
    };
    try {
      const results = { this: [] as LoadResult[], other: [] as LoadResult[] };
      const statements = { this: 0, other: 0 };
      const cpu = {
        this: { server: [] as number[], database: [] as number[] },
        other: { server: [] as number[], database: [] as number[] },
      };
      const tokens = {
        this: Array.from({ length: USERS }, (_, n) => mintRefresh({ userId: n + 1 }).token),
        other: Array.from({ length: USERS }, (_, n) => mintRefresh({ userId: n + 1 + USERS }).token),
      };
      for (const name of ['this', 'other'] as const) await load.run(sides[name].url + PATH, tokens[name], 3);
      await written();
      for (let round = 0; round < ROUNDS; round++) {
        // Who is first changes: what the first leaves behind (a checkpoint, a vacuum) falls on the second.
        const order = round % 2 === 0 ? (['this', 'other'] as const) : (['other', 'this'] as const);
        for (const name of order) {
          await query(cluster.url, 'SELECT pg_stat_statements_reset()');
          const before = { server: cpuUs(sides[name].pid), database: treeCpuUs(cluster.pid) };
          const result = await load.run(sides[name].url + PATH, tokens[name], BLOCK_SECONDS);
          await written();
          results[name].push(result);
          cpu[name].server.push((cpuUs(sides[name].pid) - before.server) / result.refreshes);
          cpu[name].database.push((treeCpuUs(cluster.pid) - before.database) / result.refreshes);
          statements[name] += await sent();
          if (process.env['BENCH_STATEMENTS'] !== undefined) await showStatements(name, result.refreshes);
        }
      }
      const ratios = (key: 'perSecond' | 'meanMs' | 'p99Ms') =>
        results.this.map((one, round) => one[key] / results.other[round]![key]);
      console.table(
        Object.fromEntries(
          (['this', 'other'] as const).map((name) => [
            name,
            {
              'refreshes/s': Math.round(median(results[name].map((r) => r.perSecond))),
              'mean ms': median(results[name].map((r) => r.meanMs)).toFixed(2),
              'p99 ms': median(results[name].map((r) => r.p99Ms)).toFixed(2),
              'statements a refresh': (
                statements[name] / results[name].reduce((sum, r) => sum + r.refreshes, 0)
              ).toFixed(4),
              'server CPU µs': Math.round(median(cpu[name].server)),
              'PostgreSQL CPU µs': Math.round(median(cpu[name].database)),
              failed: results[name].reduce((sum, r) => sum + r.failed, 0),
            },
          ]),
        ),
      );
      const cpuRatio = (of: 'server' | 'database') =>
        +median(cpu.this[of].map((one, round) => one / cpu.other[of][round]!)).toFixed(3);
      console.log(
        JSON.stringify({
          rateRatios: ratios('perSecond').map((ratio) => +ratio.toFixed(3)),
          rate: +median(ratios('perSecond')).toFixed(3),
          mean: +median(ratios('meanMs')).toFixed(3),
          p99: +median(ratios('p99Ms')).toFixed(3),
          serverCpu: cpuRatio('server'),
          databaseCpu: cpuRatio('database'),
        }),
      );
      expect(results.this.map((r) => r.failed)).toEqual(results.this.map(() => 0));
    } finally {
      await sides.this.stop();
      await sides.other.stop();
    }
  }

  /** What PostgreSQL spent its time on, for a look at where a difference comes from. */
  async function showStatements(name: string, refreshes: number): Promise<void> {
    const rows = await query<{ calls: number; rows: number; ms: number; text: string }>(
      cluster.url,
      `SELECT calls::int, rows::int, total_exec_time::float8 AS ms, regexp_replace(query, '\\s+', ' ', 'g') AS text
         FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 8`,
    );
    console.log(
      rows
        .map(({ calls, rows: n, ms, text }) => {
          const each = ((ms * 1000) / refreshes).toFixed(2);
          return `${name} ${each} us a refresh, ${calls} calls, ${n} rows: ${text.slice(0, Number(process.env['BENCH_STATEMENTS']))}`;
        })
        .join('\n'),
    );
  }

  /** Statements on the tokens' tables, but for the checks of foreign keys that PostgreSQL makes by itself. */
  async function sent(): Promise<number> {
    const [row] = await query<{ calls: number }>(
      cluster.url,
      `SELECT coalesce(sum(calls), 0)::int AS calls
         FROM pg_stat_statements
        WHERE query ~ 'token_blacklist' AND query !~ 'FOR KEY SHARE|pg_stat_statements'`,
    );
    return row!.calls;
  }
});
