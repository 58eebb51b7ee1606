import { afterAll, beforeAll } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { startBenchServer, type Fault } from '../support/bench-server.js';
import { createSimplejwtTables, query, startCluster, type Cluster } from '../support/postgres.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';
import { run } from './run.js';

/** Few enough that the server, in the test's own process, is no bottleneck; enough for a verdict. */
export const OPEN_LOAD = [
  '--mode',
  'open',
  '--rate',
  '120',
  '--users',
  '50',
  '--duration',
  '2s',
  '--warmup',
  '0s',
  '--json',
];

/** For the KPI of time: an open loop spins to keep its times, and would share the blame. */
export const CLOSED_LOAD = ['--users', '30', '--duration', '2s', '--warmup', '0s', '--json'];

/** A KPI of the report. */
export interface Row {
  readonly id: string;
  readonly verdict: string;
  readonly measured: number | null;
  readonly samples: number;
}

/** A database of its own, and servers on it that are broken on purpose, for the tests of one block. */
export function benchWorld() {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({
      settings: { shared_preload_libraries: 'pg_stat_statements', max_connections: '60' },
    });
    await query(cluster.url, 'CREATE EXTENSION pg_stat_statements');
    await createSimplejwtTables(cluster.url, { users: false });
    await applyMigrations(cluster.url, { createTables: false });
  });
  afterAll(() => cluster.stop());

  return {
    get url() {
      return cluster.url;
    },

    query: <T extends object>(text: string) => query<T>(cluster.url, text),

    async rows(): Promise<number> {
      const [row] = await query<{ count: number }>(
        cluster.url,
        'SELECT count(*)::int AS count FROM token_blacklist_blacklistedtoken',
      );
      return row!.count;
    },

    /** Runs the command against a server with these faults. */
    async benched(faults: readonly Fault[], ...flags: string[]) {
      const server = await startBenchServer(cluster.url, faults);
      try {
        const { code, stdout, stderr } = await run(
          ['bench', server.url, '--admin-url', server.adminUrl, ...flags],
          { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY },
        );
        const report = JSON.parse(stdout === '' ? '{}' : stdout);
        const { counts } = (await (await fetch(`${server.adminUrl}/kpis`)).json()) as {
          counts: { since_start: { statements: number } };
        };
        const kpis: Row[] = report.kpis ?? [];
        return {
          code,
          stderr,
          report,
          statements: counts.since_start.statements,
          of: (id: string) => kpis.find((kpi) => kpi.id === id)!,
          failed: kpis.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id),
        };
      } finally {
        await server.stop();
      }
    },
  };
}
