/**
 * What asynchronous blacklisting saves where the database is 2 ms away: sync and async in turn, at one open-loop rate,
 * half of what sync bears. One run, one machine: the same Redis, the same PostgreSQL, the same delay.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  createSimplejwtTables, createUsers, freshDatabase, startCluster, type Cluster,
} from '../test/support/postgres.js'; // prettier-ignore
import { startDelayProxy } from '../test/support/delay-proxy.js';
import { startRedis } from '../test/support/redis.js';
import { startServer, type TestServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { issueTokens } from '../test/support/tokens.js';
import { migrateDatabase } from './support/migrate.js';
import { median, startLoadGenerator } from './support/load.js';
import { startOpenLoad, type Sample } from './support/open-load.js';

const USERS = Number(process.env['BENCH_USERS'] ?? 2_000);
const BLOCK_SECONDS = Number(process.env['BENCH_SECONDS'] ?? 8);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const DELAY_MS = 2;

const PATH = '/account/token/refresh/';
const canRun = services().redis !== undefined && services().postgresBin !== undefined;

describe.skipIf(!canRun)(`with ${DELAY_MS} ms added to every round trip to the database`, () => {
  it('async answers without it, sync pays it', async () => {
    const cluster = await startCluster({ settings: { fsync: 'on' } });
    onTestFinished(() => cluster.stop());
    const proxy = await startDelayProxy(cluster.port, DELAY_MS);
    onTestFinished(() => proxy.stop());
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const sides = {
      sync: await side(cluster, proxy.port, ['--blacklist', 'sync', '--redis-url', redisUrl(redis.port, 0)]),
      async: await side(cluster, proxy.port, [
        '--blacklist',
        'async',
        '--redis-url',
        redisUrl(redis.port, 1),
      ]),
    };
    // It believes what was made a second after its start; and each token is claimed in the database once.
    await sleep(1_500);

    const generator = startLoadGenerator();
    const capacity = await generator.run(sides.sync.server.url + PATH, sides.sync.closed, 6);
    await generator.run(sides.async.server.url + PATH, sides.async.closed, 3);
    generator.stop();
    const rate = Math.floor(capacity.perSecond / 2);
    console.log(`sync bears ${Math.round(capacity.perSecond)}/s in a closed loop; the rate is ${rate}/s`);

    const means = { sync: [] as number[], async: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const mode of ['sync', 'async'] as const) {
        const { server, tokens } = sides[mode];
        const load = startOpenLoad(server.url + PATH, tokens, rate);
        await sleep(BLOCK_SECONDS * 1000);
        const samples = await load.stop();
        sides[mode].tokens = await logIns(sides[mode]);
        // Each new log-in is claimed in the database once, in both modes.
        const warmUpMs = (1_000 * USERS) / rate + 500;
        const from = (samples[0]?.[0] ?? 0) + warmUpMs;
        const felt = samples.filter(([dueMs]) => dueMs >= from);
        means[mode].push(mean(felt));
        const failed = felt.filter(([, , status]) => status !== 200).length;
        console.log(
          `round ${round + 1}, ${mode}: mean ${mean(felt).toFixed(2)} ms, p50 ${at(felt, 0.5).toFixed(2)}, p99 ${at(felt, 0.99).toFixed(2)}, ${failed} of ${felt.length} failed`,
        );
        expect(failed).toBe(0);
      }
    }
    await sleep(6_000);
    const kpis = (await (await fetch(`${sides.async.server.adminUrl}/kpis`)).json()) as {
      kpis: { id: string; window: string; value: number; verdict: string }[];
    };
    const metrics = await (await fetch(`${sides.async.server.adminUrl}/metrics`)).text();
    const background = kpis.kpis.find(({ id, window }) => id === 'background' && window === 'since_start');
    const saved = 1 - median(means.async) / median(means.sync);
    console.log(
      `medians of the means: sync ${median(means.sync).toFixed(2)} ms, async ${median(means.async).toFixed(2)} ms: ${(100 * saved).toFixed(0)} % less`,
    );
    console.log(`background KPI: ${background?.value.toFixed(2)} % (${background?.verdict})`);
    console.log(`lag: ${lagOf(metrics)}`);
    for (const { server } of Object.values(sides)) await server.stop();
  });
});

interface Side {
  readonly server: TestServer;
  readonly closed: string[];
  tokens: string[];
  readonly database: string;
  readonly userIds: readonly (number | string)[];
}

async function side(cluster: Cluster, port: number, args: string[]): Promise<Side> {
  const database = await freshDatabase(cluster.url);
  await createSimplejwtTables(database.url);
  await migrateDatabase(database.url);
  const away = new URL(database.url);
  away.port = String(port);
  const userIds = await createUsers(database.url, USERS);
  const closed = await issueTokens(database.url, await createUsers(database.url, 100));
  const tokens = await issueTokens(database.url, userIds);
  const server = await startServer({ databaseUrl: away.href, args });
  return {
    server,
    closed: closed.map(({ token }) => token),
    tokens: tokens.map(({ token }) => token),
    database: database.url,
    userIds,
  };
}

/** The generator keeps its chains to itself: the next block begins with new log-ins, which are claimed in its warm-up. */
async function logIns({ database, userIds }: Side): Promise<string[]> {
  return (await issueTokens(database, userIds)).map(({ token }) => token);
}

const redisUrl = (port: number, database: number) => `redis://127.0.0.1:${port}/${database}`;

function mean(samples: readonly Sample[]): number {
  return samples.reduce((sum, [, latencyMs]) => sum + latencyMs, 0) / samples.length;
}

function at(samples: readonly Sample[], quantile: number): number {
  const sorted = samples.map(([, latencyMs]) => latencyMs).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? NaN;
}

/** What the histogram says: how many of all were within each bound. */
function lagOf(metrics: string): string {
  const all = Number(/^carelink_background_lag_seconds_count (\d+)/m.exec(metrics)?.[1] ?? NaN);
  return [...metrics.matchAll(/^carelink_background_lag_seconds_bucket\{le="([\d.]+)"\} (\d+)/gm)]
    .map(([, bound, count]) => `${((100 * Number(count)) / all).toFixed(2)} % within ${bound} s`)
    .join(', ');
}
