/**
 * What a Redis costs a refresh: a server without one, one with it in sync mode, and one in async mode, in turn, on one
 * database. `BENCH_OTHER`, the directory of another checkout that is built, adds its server in sync mode with a Redis.
 */
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createSimplejwtTables, query, startCluster } from '../test/support/postgres.js';
import { owedIn, startRedis, until, type RedisServer } from '../test/support/redis.js';
import { startServer, type TestServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { mintRefresh } from '../test/support/tokens.js';
import { cpuUs, treeCpuUs } from './support/cpu.js';
import { migrateDatabase } from './support/migrate.js';
import { median, startLoadGenerator, type LoadResult } from './support/load.js';

const USERS = Number(process.env['BENCH_USERS'] ?? 100);
const BLOCK_SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 7);
const OTHER = process.env['BENCH_OTHER'];
const PATH = '/account/token/refresh/';
const WARM_UP_SECONDS = 3;

interface Side {
  readonly server: TestServer;
  readonly redis: RedisServer | undefined;
  readonly tokens: readonly string[];
  readonly blocks: Block[];
}

interface Block extends LoadResult {
  readonly serverUs: number;
  readonly databaseUs: number;
  readonly redisUs: number;
}

const WITH_REDIS = {
  'redis, sync': ['sync'],
  'redis, async': ['async'],
  'redis, sync, other': ['sync', OTHER],
} as const;

describe.skipIf(services().redis === undefined || services().postgresBin === undefined)('a Redis', () => {
  it(`of ${USERS} users`, async () => {
    const cluster = await startCluster({ settings: { fsync: 'on', max_connections: '200' } });
    onTestFinished(() => cluster.stop());
    await createSimplejwtTables(cluster.url, { users: true });
    await query(
      cluster.url,
      'INSERT INTO auth_user (id, is_active) SELECT n, true FROM generate_series(1, 10000) n',
    );
    await migrateDatabase(cluster.url);
    const sides = new Map<string, Side>();
    const start = async (name: string, redis: RedisServer | undefined, args: string[], other?: string) => {
      const bin = other === undefined ? {} : { bin: join(other, 'bin/carelink-tokens.js') };
      const server = await startServer({ databaseUrl: cluster.url, args, ...bin });
      onTestFinished(() => server.stop());
      const first = sides.size * USERS + 1;
      const tokens = Array.from({ length: USERS }, (_, n) => mintRefresh({ userId: first + n }).token);
      sides.set(name, { server, redis, tokens, blocks: [] });
    };
    await start('none', undefined, []);
    for (const [name, [blacklist, other]] of Object.entries(WITH_REDIS)) {
      if (name.endsWith('other') && other === undefined) continue;
      // One for each: on a shared one either would write behind what the other has answered.
      const redis = await startRedis();
      onTestFinished(() => redis.stop());
      await start(
        name,
        redis,
        ['--redis-url', `redis://127.0.0.1:${redis.port}`, '--blacklist', blacklist],
        other,
      );
    }
    const redises = [...sides.values()].flatMap(({ redis }) => redis ?? []);
    // What was answered is still to be written: a side's own work, and not that of whose turn it is next.
    const written = () => until(async () => (await owedIn(redises)) === 0);
    const load = startLoadGenerator();
    onTestFinished(() => load.stop());
    for (const { server, tokens } of sides.values())
      await load.run(server.url + PATH, tokens, WARM_UP_SECONDS);
    await written();
    for (let round = 0; round < ROUNDS; round++) {
      const order = [...sides.values()];
      for (const side of round % 2 === 0 ? order : order.reverse()) {
        const spent = () => ({
          server: cpuUs(side.server.pid),
          database: treeCpuUs(cluster.pid),
          redis: side.redis === undefined ? 0 : cpuUs(side.redis.pid),
        });
        const before = spent();
        const result = await load.run(side.server.url + PATH, side.tokens, BLOCK_SECONDS);
        await written();
        const after = spent();
        const each = (of: keyof typeof before) => (after[of] - before[of]) / result.refreshes;
        side.blocks.push({
          ...result,
          serverUs: each('server'),
          databaseUs: each('database'),
          redisUs: each('redis'),
        });
      }
    }
    const without = sides.get('none')!.blocks;
    const rows = [...sides].map(([name, { blocks }]) => {
      const of = (key: keyof Block) => median(blocks.map((block) => block[key]));
      return [
        name,
        {
          'refreshes/s': Math.round(of('perSecond')),
          'of none': median(blocks.map(({ perSecond }, n) => perSecond / without[n]!.perSecond)).toFixed(3),
          'mean ms': of('meanMs').toFixed(2),
          'p99 ms': of('p99Ms').toFixed(2),
          'server CPU us': Math.round(of('serverUs')),
          'PostgreSQL CPU us': Math.round(of('databaseUs')),
          'Redis CPU us': Math.round(of('redisUs')),
          failed: blocks.reduce((sum, { failed }) => sum + failed, 0),
        },
      ] as const;
    });
    console.table(Object.fromEntries(rows));
    expect(rows.map(([, { failed }]) => failed)).toEqual(rows.map(() => 0));
  });
});
