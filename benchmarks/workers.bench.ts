/**
 * What one core bears, and what a second one adds: one and two processes, with and without Redis, behind a pooler, and
 * telling of each rotation. PostgreSQL, Redis and the generator share the same cores. CPU time of each is counted, for
 * that is what the arithmetic of docs/scaling.md is made of.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '../src/migrate/index.js';
import { startBouncer, type Bouncer } from '../test/support/pgbouncer.js';
import {
  createSimplejwtTables,
  createUsers,
  query,
  startCluster,
  type Cluster,
} from '../test/support/postgres.js';
import { startRedis, type RedisServer } from '../test/support/redis.js';
import { startServer, type TestServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { issueTokens } from '../test/support/tokens.js';
import { childrenOf, cpuUs, treeCpuUs } from './support/cpu.js';
import { median, startLoadGenerator, type LoadGenerator, type LoadResult } from './support/load.js';

const USERS = Number(process.env['BENCH_USERS'] ?? 100);
const BLOCK_SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const PATH = '/account/token/refresh/';

const canRun = services().postgresBin !== undefined && services().redis !== undefined;

interface Candidate {
  readonly name: string;
  readonly server: TestServer;
  readonly tokens: string[];
  readonly workers: number[];
}

interface Block extends LoadResult {
  /** CPU a refresh, in microseconds. */
  readonly server: number;
  readonly primary: number;
  readonly postgres: number;
  readonly redis: number;
  readonly pooler: number;
  /** Of all cores: 1 is a saturated machine. */
  readonly busy: number;
  readonly walBytes: number;
  /** What statements that were under way were doing, each by the share of looks at it. */
  readonly waits: Readonly<Record<string, number>>;
  /** Of the whole machine: above the number of cores others were at work, too. */
  readonly load: number;
}

describe.skipIf(!canRun)('workers', () => {
  let cluster: Cluster;
  let redis: RedisServer;
  let bouncer: Bouncer | undefined;
  let load: LoadGenerator;
  const candidates: Candidate[] = [];

  beforeAll(async () => {
    cluster = await startCluster({ settings: { fsync: 'on', max_connections: '300', max_wal_size: '4GB' } });
    redis = await startRedis();
    await createSimplejwtTables(cluster.url);
    await applyMigrations(cluster.url, { createTables: false, notify: true });
    load = startLoadGenerator();
    const add = async (name: string, args: readonly string[], databaseUrl = cluster.url) => {
      const server = await startServer({ databaseUrl, args });
      const minted = await issueTokens(cluster.url, await createUsers(cluster.url, USERS));
      const workers = childrenOf(server.pid);
      candidates.push({ name, server, tokens: minted.map(({ token }) => token), workers });
    };
    const quiet = ['--blacklist', 'sync'];
    const shared = ['--redis-url', `redis://127.0.0.1:${redis.port}`];
    await add('one process', quiet);
    await add('two workers', [...quiet, '--workers', '2']);
    await add('one, Redis', [...quiet, ...shared]);
    await add('two, Redis', [...quiet, ...shared, '--workers', '2']);
    await add('one, telling', []);
    if (services().pgbouncer !== undefined) {
      bouncer = await startBouncer(cluster.url, { pool_mode: 'transaction' });
      await add('one, PgBouncer', quiet, bouncer.url);
    }
  });
  afterAll(async () => {
    load.stop();
    await Promise.all(candidates.map(({ server }) => server.stop()));
    await bouncer?.stop();
    await redis.stop();
    await cluster.stop();
  });

  const run = async ({ server, tokens, workers }: Candidate): Promise<Block> => {
    const clock = () => ({
      server: workers.length > 0 ? workers.reduce((sum, pid) => sum + cpuUs(pid), 0) : cpuUs(server.pid),
      primary: workers.length > 0 ? cpuUs(server.pid) : 0,
      postgres: treeCpuUs(cluster.pid),
      redis: cpuUs(redis.pid),
      pooler: bouncer === undefined ? 0 : cpuUs(bouncer.pid),
    });
    const wal = async () =>
      Number((await query<{ at: string }>(cluster.url, `SELECT pg_current_wal_lsn() - '0/0' AS at`))[0]!.at);
    const walBefore = await wal();
    const before = clock();
    const watched = watchStatements(cluster.url);
    const beganMs = performance.now();
    const result = await load.run(server.url + PATH, tokens, BLOCK_SECONDS);
    const tookUs = (performance.now() - beganMs) * 1000;
    const after = clock();
    const waits = await watched.stop();
    const used = (name: keyof typeof before) => after[name] - before[name];
    const names = Object.keys(before) as (keyof typeof before)[];
    const all = names.reduce((sum, name) => sum + used(name), 0) + result.generatorCpuUs * result.refreshes;
    const each = Object.fromEntries(names.map((name) => [name, used(name) / result.refreshes]));
    return {
      ...result,
      ...(each as Record<keyof typeof before, number>),
      waits,
      load: loadavg()[0] ?? 0,
      busy: all / tookUs / cpus().length,
      walBytes: ((await wal()) - walBefore) / result.refreshes,
    };
  };

  it(`of ${USERS} users, each rotating its own token`, async () => {
    for (const candidate of candidates) await load.run(candidate.server.url + PATH, candidate.tokens, 2);
    const blocks = new Map<string, Block[]>(candidates.map(({ name }) => [name, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const candidate of candidates) blocks.get(candidate.name)!.push(await run(candidate));
    }
    const of = (name: string, key: Exclude<keyof Block, 'waits'>) =>
      median(blocks.get(name)!.map((block) => block[key]));
    console.table(
      Object.fromEntries(
        candidates.map(({ name }) => [
          name,
          {
            'refreshes/s': Math.round(of(name, 'perSecond')),
            'mean ms': of(name, 'meanMs').toFixed(1),
            'p99 ms': of(name, 'p99Ms').toFixed(1),
            failed: of(name, 'failed'),
            'server us': Math.round(of(name, 'server')),
            'primary us': Math.round(of(name, 'primary')),
            'postgres us': Math.round(of(name, 'postgres')),
            'redis us': Math.round(of(name, 'redis')),
            'pooler us': Math.round(of(name, 'pooler')),
            'generator us': Math.round(of(name, 'generatorCpuUs')),
            'cores busy %': Math.round(of(name, 'busy') * 100),
            'WAL bytes': Math.round(of(name, 'walBytes')),
          },
        ]),
      ),
    );
    const ratio = (a: string, b: string) =>
      median(
        blocks.get(a)!.map((block, round) => block.perSecond / blocks.get(b)![round]!.perSecond),
      ).toFixed(2);
    const against = Object.fromEntries(
      candidates.slice(1).map(({ name }) => [name, ratio(name, candidates[0]!.name)]),
    );
    console.log(
      JSON.stringify({
        cores: cpus().length,
        machineLoad: candidates.map(({ name }) => +of(name, 'load').toFixed(1)),
        rateAgainstOneProcess: against,
        statementsWait: Object.fromEntries(
          candidates.map(({ name }) => [name, blocks.get(name)!.at(-1)!.waits]),
        ),
      }),
    );
    expect(
      [...blocks.values()]
        .flat()
        .map(({ failed }) => failed)
        .filter(Boolean),
    ).toEqual([]);
  });

  it('what it leaves behind: rows in PostgreSQL, keys in Redis', async () => {
    await query(cluster.url, 'VACUUM ANALYZE');
    const sizes = await query<{ table: string; bytes: string; rows: number }>(
      cluster.url,
      `SELECT relname AS table, pg_total_relation_size(oid)::text AS bytes, reltuples::int AS rows
         FROM pg_class WHERE relname LIKE 'token_blacklist%token' AND relkind = 'r' ORDER BY relname`,
    );
    const memory = Number(/used_memory:(\d+)/.exec(await redis.cli('INFO', 'memory'))![1]);
    await redis.cli('FLUSHALL');
    const empty = Number(/used_memory:(\d+)/.exec(await redis.cli('INFO', 'memory'))![1]);
    const keys = await fillRedis();
    const filled = Number(/used_memory:(\d+)/.exec(await redis.cli('INFO', 'memory'))![1]);
    console.log(
      JSON.stringify({
        bytesPerRow: Object.fromEntries(
          sizes.map(({ table, bytes, rows }) => [table, Math.round(Number(bytes) / rows)]),
        ),
        redisMbAfterTheRun: Math.round(memory / 1e6),
        redisBytesPerHint: Math.round((filled - empty) / keys),
      }),
    );
    expect(keys).toBeGreaterThan(0);
  });

  /** Hints as refreshes leave them: `a<row id>`, and the key of a token. */
  async function fillRedis(): Promise<number> {
    const count = 100_000;
    const script = `for n = 1, ARGV[1] do
        redis.call('SET', 'carelink_tokens:{' .. (n % 256) .. '}:token:' .. redis.sha1hex(n):sub(1, 32), 'a' .. (1000000 + n), 'PX', 43200000)
      end`;
    await redis.cli('EVAL', script, '0', String(count));
    return count;
  }

  it('where the time of one process goes', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'carelink-profile-'));
    try {
      const server = await startServer({
        databaseUrl: cluster.url,
        args: ['--blacklist', 'sync'],
        nodeArgs: ['--cpu-prof', `--cpu-prof-dir=${directory}`],
      });
      const minted = await issueTokens(cluster.url, await createUsers(cluster.url, USERS));
      await load.run(
        server.url + PATH,
        minted.map(({ token }) => token),
        BLOCK_SECONDS,
      );
      await server.stop();
      const files = readdirSync(directory).filter((name) => name.endsWith('.cpuprofile'));
      const shares = files.map((name) => selfTimes(readFileSync(join(directory, name), 'utf8')));
      console.table(shares[0]);
      expect(shares[0]!.length).toBeGreaterThan(0);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

/** Looks at the statements that are under way, again and again: running, or what they wait for. */
function watchStatements(url: string): { stop(): Promise<Record<string, number>> } {
  const seen = new Map<string, number>();
  const stopping = new AbortController();
  const watching = (async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    while (!stopping.signal.aborted) {
      const { rows } = await client.query<{ what: string; count: number }>(
        `SELECT coalesce(wait_event_type || ':' || wait_event, 'running') AS what, count(*)::int AS count
           FROM pg_stat_activity
          WHERE state = 'active' AND pid <> pg_backend_pid() AND backend_type = 'client backend'
          GROUP BY 1`,
      );
      for (const { what, count } of rows) seen.set(what, (seen.get(what) ?? 0) + count);
      await sleep(20);
    }
    await client.end();
  })();
  return {
    async stop() {
      stopping.abort();
      await watching;
      const all = [...seen.values()].reduce((sum, one) => sum + one, 0);
      const top = [...seen].sort(([, a], [, b]) => b - a).slice(0, 4);
      return Object.fromEntries(top.map(([what, count]) => [what, +(count / all).toFixed(2)]));
    },
  };
}

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** The functions that took most of the busy time by themselves, those of one package together. */
function selfTimes(text: string): { readonly what: string; readonly 'busy %': string }[] {
  const { nodes, samples, timeDeltas } = JSON.parse(text) as Profile;
  const nameOf = new Map(
    nodes.map(({ id, callFrame: { functionName, url } }) => {
      const module = /node_modules\/([^/]+)/.exec(url)?.[1] ?? (url.startsWith('node:') ? url : '');
      return [id, module === '' ? functionName : module] as const;
    }),
  );
  const times = new Map<string, number>();
  let busy = 0;
  for (const [at, id] of samples.entries()) {
    const name = nameOf.get(id) ?? '';
    const us = timeDeltas[at] ?? 0;
    if (name === '(idle)') continue;
    busy += us;
    times.set(name, (times.get(name) ?? 0) + us);
  }
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, 14)
    .map(([what, us]) => ({ what, 'busy %': ((us / busy) * 100).toFixed(1) }));
}
