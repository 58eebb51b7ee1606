/**
 * What the access log and tracing cost a refresh: one server for each setting, on one database, in turn, so that a slow
 * moment of the machine falls on all of them.
 */
import { closeSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startOtlpReceiver, type OtlpReceiver } from '../test/support/otlp-receiver.js';
import { createSimplejwtTables, query, startCluster, type Cluster } from '../test/support/postgres.js';
import { startServer, type TestServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { mintRefresh } from '../test/support/tokens.js';
import { cpuUs } from './support/cpu.js';
import { median, startLoadGenerator, type LoadGenerator, type LoadResult } from './support/load.js';
import { migrateDatabase } from './support/migrate.js';

const USERS = Number(process.env['BENCH_USERS'] ?? 100);
const BLOCK_SECONDS = Number(process.env['BENCH_SECONDS'] ?? 3);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 9);
const PATH = '/account/token/refresh/';

/** `off again` says how far two servers that are the same differ here. */
const ALL_SIDES = [
  'off',
  'off again',
  'errors',
  'all',
  'all, to a pipe',
  'traced, 1 %',
  'traced, all',
] as const;
type Side = (typeof ALL_SIDES)[number];
const CHOSEN = process.env['BENCH_SIDES']?.split(';');
const SIDES = ALL_SIDES.filter((side) => side === 'off' || (CHOSEN?.includes(side) ?? true));

describe.skipIf(services().postgresBin === undefined)('the access log and tracing', () => {
  let cluster: Cluster;
  let load: LoadGenerator;
  let collector: OtlpReceiver;
  const directory = mkdtempSync(join(tmpdir(), 'carelink-access-log-'));
  beforeAll(async () => {
    cluster = await startCluster({ settings: { fsync: 'on', max_connections: '200' } });
    await createSimplejwtTables(cluster.url, { users: true });
    await query(
      cluster.url,
      'INSERT INTO auth_user (id, is_active) SELECT n, true FROM generate_series(1, 10000) n',
    );
    await migrateDatabase(cluster.url);
    load = startLoadGenerator();
    collector = await startOtlpReceiver();
  });
  afterAll(async () => {
    load.stop();
    collector.stop();
    await cluster.stop();
    rmSync(directory, { recursive: true });
  });

  it('beside a server without either', async () => {
    const traced = (ratio: string) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: ratio,
    });
    const log = join(directory, 'all.log');
    const logFd = openSync(log, 'a');
    const start = (args: readonly string[], more: object = {}): Promise<TestServer> =>
      startServer({ databaseUrl: cluster.url, args, ...more });
    const servers: Record<Side, TestServer> = {
      off: await start([]),
      'off again': await start([]),
      errors: await start(['--access-log', 'errors']),
      all: await start(['--access-log', 'all'], { logFd }),
      'all, to a pipe': await start(['--access-log', 'all']),
      'traced, 1 %': await start([], { env: traced('0.01') }),
      'traced, all': await start([], { env: traced('1') }),
    };
    closeSync(logFd);
    try {
      const results = new Map<Side, { load: LoadResult; cpuUs: number }[]>();
      const tokens = (side: Side) =>
        Array.from(
          { length: USERS },
          (_, n) => mintRefresh({ userId: n + 1 + USERS * SIDES.indexOf(side) }).token,
        );
      for (const side of SIDES) {
        await load.run(servers[side].url + PATH, tokens(side), 2);
        results.set(side, []);
      }
      for (let round = 0; round < ROUNDS; round++) {
        // Each of them is first, and last, as often as the others.
        for (let n = 0; n < SIDES.length; n++) {
          const side = SIDES[(round + n) % SIDES.length]!;
          const before = cpuUs(servers[side].pid);
          const result = await load.run(servers[side].url + PATH, [], BLOCK_SECONDS);
          results
            .get(side)!
            .push({ load: result, cpuUs: (cpuUs(servers[side].pid) - before) / result.refreshes });
        }
      }
      const of = (side: Side) => results.get(side)!;
      const ratio = (side: Side, value: (one: { load: LoadResult; cpuUs: number }) => number) =>
        median(of(side).map((one, round) => value(one) / value(of('off')[round]!))).toFixed(3);
      console.table(
        Object.fromEntries(
          SIDES.map((side) => [
            side,
            {
              'refreshes/s': Math.round(median(of(side).map((one) => one.load.perSecond))),
              'p99 ms': median(of(side).map((one) => one.load.p99Ms)).toFixed(1),
              'server CPU µs': Math.round(median(of(side).map((one) => one.cpuUs))),
              'rate / off': ratio(side, (one) => one.load.perSecond),
              'CPU / off': ratio(side, (one) => one.cpuUs),
              failed: of(side).reduce((sum, one) => sum + one.load.failed, 0),
            },
          ]),
        ),
      );
      const lines = statSync(log).size;
      const refreshes = of('all').reduce((sum, one) => sum + one.load.refreshes, 0);
      console.log(
        `bytes of log a refresh: ${Math.round(lines / refreshes)}; batches of spans: ${collector.requests.length}`,
      );
      expect(SIDES.map((side) => of(side).reduce((sum, one) => sum + one.load.failed, 0))).toEqual(
        SIDES.map(() => 0),
      );
      expect(lines).toBeGreaterThan(100 * refreshes);
      expect(collector.requests.length).toBeGreaterThan(0);
    } finally {
      for (const side of SIDES) await servers[side].stop();
    }
  });
});
