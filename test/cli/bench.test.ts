import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { startBenchServer, type Broken } from '../support/bench-server.js';
import { createSimplejwtTables, query, startCluster, type Cluster } from '../support/postgres.js';
import { services } from '../support/services.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';
import { run } from './run.js';

const env = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };
/** Few enough that the server, in the test's own process, is no bottleneck; enough for a verdict. */
const LOAD = [
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

/** For the KPI of time: a generator that keeps times spins, and would share the blame. */
const CLOSED = ['--users', '10', '--duplicates', '0', '--duration', '2s', '--warmup', '0s', '--json'];

interface Row {
  readonly id: string;
  readonly verdict: string;
  readonly measured: number | null;
  readonly samples: number;
}

describe.skipIf(services().postgresBin === undefined)('bench', () => {
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

  const benched = async (broken: Broken, ...more: string[]) => {
    const server = await startBenchServer(cluster.url, broken);
    try {
      const args = [
        'bench',
        server.url,
        '--admin-url',
        server.adminUrl,
        ...(broken === 'slow' ? CLOSED : LOAD),
        ...more,
      ];
      const { code, stdout, stderr } = await run(args, env);
      const report = JSON.parse(stdout === '' ? '{}' : stdout);
      const { counts } = (await (await fetch(`${server.adminUrl}/kpis`)).json()) as {
        counts: { since_start: { statements: number } };
      };
      const kpis: Row[] = report.kpis ?? [];
      const of = (id: string) => kpis.find((kpi) => kpi.id === id)!;
      return {
        code,
        stderr,
        report,
        statements: counts.since_start.statements,
        of,
        failed: kpis.filter(({ verdict }) => verdict === 'fail').map(({ id }) => id),
      };
    } finally {
      await server.stop();
    }
  };

  it('conserves: answers at the client are rotations at the server and rows in the database; and counts statements right', async () => {
    const before = await rows();
    await query(cluster.url, 'SELECT pg_stat_statements_reset()');
    const { report, of, failed, statements } = await benched('nothing', '--duplicates', '0');
    // Whatever a busy machine makes of the time.
    expect(failed.filter((id) => id !== 'refresh_duration')).toEqual([]);
    expect(of('background')).toMatchObject({ verdict: 'pass', measured: 100 });
    const { successes, rotated_by_server } = report.counts as Record<string, number>;
    expect(successes).toBeGreaterThan(150);
    expect(rotated_by_server).toBe(successes);
    // The seeding refreshed each of the 50 sessions once, before counting began.
    expect((await rows()) - before).toBe(successes! + 50);
    const [counted] = await query<{ calls: number }>(
      cluster.url,
      `SELECT sum(calls)::int AS calls FROM pg_stat_statements
        WHERE query ~ 'token_blacklist' AND query !~ 'FOR KEY SHARE|pg_stat_statements|count\\(\\*\\)|to_regclass'
          AND query ~ 'unnest'`,
    );
    expect(Math.abs(statements / counted!.calls - 1)).toBeLessThan(0.01);
    expect(of('db_queries').measured).toBeLessThan(2);
  });

  it.concurrent.each([
    ['slow', 'refresh_duration', []],
    ['faulty', 'refresh_duration', []],
    ['chatty', 'db_queries', []],
    ['forgetful', 'cache_hit', []],
    ['lossy', 'background', []],
    // Slow, so that the tabs really meet: one that comes when the first was answered has its rows read, by design.
    ['slow', 'concurrent_refresh', ['--tabs', '3']],
  ] as const)(
    'of a server that is %s: %s fails, and the exit code says so',
    async (broken, id, more) => {
      const { code, failed, report, stderr } = await benched(broken, ...more);
      expect(failed, stderr).toContain(id);
      expect(failed.filter((other) => other !== id && other !== 'refresh_duration')).toEqual([]);
      expect(report.verdict).toBe('fail');
      expect(code).toBe(1);
    },
    60_000,
  );

  const rows = async () => {
    const [row] = await query<{ count: number }>(
      cluster.url,
      'SELECT count(*)::int AS count FROM token_blacklist_blacklistedtoken',
    );
    return row!.count;
  };
});

it('says of a server whose /kpis it does not know that it is unmeasured, and never that it passes', async () => {
  const { createServer } = await import('node:http');
  const token = 'a.b.c';
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end(JSON.stringify({ access: token, refresh: token })));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const { code, stdout } = await run(['bench', `http://127.0.0.1:${port}`, ...LOAD], env);
  server.close();
  const report = JSON.parse(stdout) as { kpis: Row[] };
  expect(report.kpis.slice(1).map(({ verdict }) => verdict)).toEqual([
    'unmeasured',
    'unmeasured',
    'unmeasured',
    'unmeasured',
  ]);
  expect(report.kpis[0]).toMatchObject({ id: 'refresh_duration', source: 'client, an upper bound' });
  expect([1, 3]).toContain(code);
});

it.each([
  [['bench', 'ftp://h'], 'bench takes a URL such as'],
  [['bench', '--tokens', 'x'], 'bench starts and seeds one of its own'],
  [['bench', 'http://127.0.0.1:1'], 'give them with --tokens'],
  [['bench', '--rate', '5'], '--rate is for --mode open'],
  [['bench', '--duplicates', '101'], 'a percentage from 0 to 100'],
])('refuses %j with what is allowed', async (args, text) => {
  const { code, stderr } = await run(args);
  expect(code).toBe(2);
  expect(stderr).toContain(text);
});

it('says which server could not be reached', async () => {
  const { code, stderr } = await run(['bench', 'http://127.0.0.1:9', '--users', '2', '--json'], env);
  expect(code).toBe(4);
  expect(stderr).toContain('could not be reached (ECONNREFUSED)');
});
