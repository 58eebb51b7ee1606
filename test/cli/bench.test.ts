import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';
import { benchWorld, CLOSED_LOAD, OPEN_LOAD, type Row } from './bench-world.js';
import { run } from './run.js';

const env = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };

describe.skipIf(services().postgresBin === undefined)('bench', () => {
  const world = benchWorld();

  it('conserves: answers at the client are rotations at the server and rows in the database; and counts statements right', async () => {
    const before = await world.rows();
    await world.query('SELECT pg_stat_statements_reset()');
    const { report, of, failed, statements } = await world.benched([], ...OPEN_LOAD, '--duplicates', '0');
    // Whatever a busy machine makes of the time.
    expect(failed.filter((id) => id !== 'refresh_duration')).toEqual([]);
    expect(of('background')).toMatchObject({ verdict: 'pass', measured: 100 });
    const { successes, rotated_by_server } = report.counts as Record<string, number>;
    expect(successes).toBeGreaterThan(150);
    expect(rotated_by_server).toBe(successes);
    // The seeding refreshed each of the 50 sessions once, before counting began.
    expect((await world.rows()) - before).toBe(successes! + 50);
    const [counted] = await world.query<{ calls: number }>(
      `SELECT sum(calls)::int AS calls FROM pg_stat_statements
        WHERE query ~ 'token_blacklist' AND query !~ 'FOR KEY SHARE|pg_stat_statements|count\\(\\*\\)|to_regclass'
          AND query ~ 'unnest'`,
    );
    expect(Math.abs(statements / counted!.calls - 1)).toBeLessThan(0.01);
    expect(of('db_queries').measured).toBeLessThan(2);
  });

  // Each by itself: bench.long.test.ts.
  it('fails each KPI that a broken server misses, and no other, and the exit code says so', async () => {
    const { code, failed, report, stderr } = await world.benched(
      ['chatty', 'forgetful', 'lossy'],
      ...OPEN_LOAD,
    );
    expect(failed.filter((id) => id !== 'refresh_duration').sort(), stderr).toEqual([
      'background',
      'cache_hit',
      'db_queries',
    ]);
    expect(report.verdict).toBe('fail');
    expect(code).toBe(1);
  });

  it('fails the KPIs of time and of concurrency where a server is slow and its users have tabs', async () => {
    const { code, failed, stderr } = await world.benched(['slow'], ...CLOSED_LOAD, '--tabs', '3');
    expect(failed.sort(), stderr).toEqual(['concurrent_refresh', 'refresh_duration']);
    expect(code).toBe(1);
  });
});

it('says of a server whose /kpis it does not know that it is unmeasured, and never that it passes', async () => {
  const { createServer } = await import('node:http');
  const token = 'a.b.c';
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end(JSON.stringify({ access: token, refresh: token })));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const { code, stdout } = await run(['bench', `http://127.0.0.1:${port}`, ...OPEN_LOAD], env);
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
