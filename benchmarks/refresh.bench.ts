/**
 * Refreshes a second and their latency: this server, Django + simplejwt on the same PostgreSQL, and this server with
 * its storage switched off. One run, one machine, in turn, so that a slow moment falls on all of them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDjango, type Django } from '../test/support/django.js';
import { query, startCluster, type Cluster } from '../test/support/postgres.js';
import { startServer, type TestServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { TEST_SIGNING_KEY } from '../test/support/tokens.js';
import { bundled } from './support/bundle.js';
import { migrateDatabase } from './support/migrate.js';
import { median, startLoadGenerator, type LoadGenerator, type LoadResult } from './support/load.js';

const USERS = Number(process.env['BENCH_USERS'] ?? 100);
const BLOCK_SECONDS = Number(process.env['BENCH_SECONDS'] ?? 6);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);

const canRun = services().django && services().postgresBin !== undefined;

describe.skipIf(!canRun)('refreshes', () => {
  let cluster: Cluster;
  let django: Django;
  let server: TestServer;
  let storageOff: { url: string; stop(): void };
  let load: LoadGenerator;
  let tokens: {
    readonly ours: string[];
    readonly django: string[];
    readonly off: string[];
    readonly lone: string[];
  };

  beforeAll(async () => {
    cluster = await startCluster({
      settings: { shared_preload_libraries: 'pg_stat_statements', fsync: 'on', max_connections: '200' },
    });
    await query(cluster.url, 'CREATE EXTENSION pg_stat_statements');
    // The most that Django's workers do on two cores: 4 processes of 8 threads each (docs: benchmarks/README.md).
    django = await startDjango({ database: cluster.url, workers: 4, threads: 8 });
    await migrateDatabase(cluster.url);
    server = await startServer({ databaseUrl: cluster.url });
    storageOff = await startStorageOff();
    load = startLoadGenerator();
    const minted = (await django.bulkMint({ users: USERS, tokensPerUser: 4 })).map(({ refresh }) => refresh);
    const part = (n: number) => minted.filter((_, index) => index % 4 === n);
    tokens = { ours: part(0), django: part(1), off: part(2), lone: part(3).slice(0, 1) };
  });
  afterAll(async () => {
    load.stop();
    storageOff.stop();
    await server.stop();
    await django.stop();
    await cluster.stop();
  });

  const path = '/account/token/refresh/';
  /**
   * Statements on the tokens' tables so far, as PostgreSQL counts them. Its own checks of foreign keys
   * (`... FROM ONLY ... FOR KEY SHARE`) are not sent by anybody: they are counted apart.
   */
  const statements = async () => {
    const [row] = await query<{ sent: number; checks: number }>(
      cluster.url,
      `SELECT coalesce(sum(calls) FILTER (WHERE query !~ 'FROM ONLY .* FOR KEY SHARE'), 0)::int AS sent,
              coalesce(sum(calls) FILTER (WHERE query ~ 'FROM ONLY .* FOR KEY SHARE'), 0)::int AS checks
         FROM pg_stat_statements
        WHERE query ~ 'token_blacklist|auth_user' AND query !~ 'pg_stat_statements'`,
    );
    return row!;
  };

  it(`of ${USERS} users, each rotating its own token`, async () => {
    const results = { ours: [] as LoadResult[], django: [] as LoadResult[], off: [] as LoadResult[] };
    await load.run(server.url + path, tokens.ours, 2);
    await load.run(django.url + path, tokens.django, 2);
    await load.run(storageOff.url + path, tokens.off, 2);
    await query(cluster.url, 'SELECT pg_stat_statements_reset()');
    let sent = 0;
    let checks = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const before = await statements();
      results.ours.push(await load.run(server.url + path, tokens.ours, BLOCK_SECONDS));
      const after = await statements();
      sent += after.sent - before.sent;
      checks += after.checks - before.checks;
      results.django.push(await load.run(django.url + path, tokens.django, BLOCK_SECONDS));
      results.off.push(await load.run(storageOff.url + path, tokens.off, BLOCK_SECONDS));
    }
    const of = (name: keyof typeof results, key: keyof LoadResult) =>
      median(results[name].map((r) => r[key]));
    const ratios = (other: 'django' | 'off', key: 'perSecond' | 'meanMs') =>
      median(results.ours.map((ours, round) => ours[key] / results[other][round]![key]));
    const refreshes = results.ours.reduce((sum, r) => sum + r.refreshes, 0);
    console.table(
      Object.fromEntries(
        (['ours', 'django', 'off'] as const).map((name) => [
          name,
          {
            'refreshes/s': Math.round(of(name, 'perSecond')),
            'mean ms': of(name, 'meanMs').toFixed(2),
            'p50 ms': of(name, 'p50Ms').toFixed(2),
            'p99 ms': of(name, 'p99Ms').toFixed(2),
            failed: of(name, 'failed'),
            'generator us': Math.round(of(name, 'generatorCpuUs')),
          },
        ]),
      ),
    );
    console.log(
      JSON.stringify({
        timesDjangosRate: +ratios('django', 'perSecond').toFixed(1),
        djangosMeanOverOurs: +(1 / ratios('django', 'meanMs')).toFixed(1),
        shareOfStorageOff: +ratios('off', 'perSecond').toFixed(2),
        statementsPerRefresh: +(sent / refreshes).toFixed(4),
        foreignKeyChecksPerRefresh: +(checks / refreshes).toFixed(2),
      }),
    );
    expect(results.ours.map((r) => r.failed)).toEqual(results.ours.map(() => 0));
  });

  it('of a lone user with a warm cache are one statement each', async () => {
    await load.run(server.url + path, tokens.lone, 0.5);
    // Another URL of the same server would begin a new chain; the lone user goes on with its own.
    const before = await statements();
    const lone = await load.run(server.url + path + '?lone', tokens.lone, 3);
    console.log(
      JSON.stringify({
        loneRefreshesPerSecond: Math.round(lone.perSecond),
        meanMs: +lone.meanMs.toFixed(2),
        statementsPerRefresh: +(((await statements()).sent - before.sent) / lone.refreshes).toFixed(4),
      }),
    );
    expect(lone.failed).toBe(0);
  });

  async function startStorageOff() {
    const child = spawn(process.execPath, [await bundled('benchmarks/support/storage-off.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, CARELINK_SIGNING_KEY: TEST_SIGNING_KEY },
    });
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return { url: (JSON.parse(line) as { url: string }).url, stop: () => void child.kill('SIGTERM') };
  }
});
