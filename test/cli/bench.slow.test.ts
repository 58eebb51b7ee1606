import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { TEST_SIGNING_KEY } from '../support/tokens.js';
import { OPEN_LOAD, type Row } from './bench-world.js';
import { run } from './run.js';

const env = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };

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

it('prints a table of KPIs that fits a terminal of 80 columns', async () => {
  const { createServer } = await import('node:http');
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end(JSON.stringify({ access: 'a.b.c', refresh: 'a.b.c' })));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const load = OPEN_LOAD.filter((flag) => flag !== '--json');
  const { stdout } = await run(['bench', `http://127.0.0.1:${port}`, ...load, '--max-p99', '1s'], env);
  server.close();
  const lines = stdout.split('\n');
  const table = lines.slice(
    lines.findIndex((line) => line.startsWith('KPI')),
    lines.findIndex((line) => line.startsWith('Latency')),
  );
  expect(table.length).toBeGreaterThan(6);
  expect(table.filter((line) => line.length > 80)).toEqual([]);
});

it.each([
  [['bench', 'ftp://h'], 'bench takes a URL such as'],
  [['bench', '--tokens', 'x'], 'bench starts and seeds one of its own'],
  [['bench', 'http://127.0.0.1:1'], 'give them with --tokens'],
  [['bench', '--rate', '5'], '--rate is for --mode open'],
  [['bench', '--max-regression', '5'], '--max-regression needs something to compare with'],
  [['bench', '--duplicates', '101'], 'a percentage from 0 to 100'],
])('refuses %j with what is allowed', async (args, text) => {
  const { code, stderr } = await run(args);
  expect(code).toBe(2);
  expect(stderr).toContain(text);
});

it.each([
  [['a.b.c'], '--tokens holds tokens for 1 users, and --users asks for 3'],
  [['a.b.c', 'a.b.d', 'a.b.c'], '1 of 3 tokens repeat another'],
])('refuses a file with tokens %j for three users', async (tokens, text) => {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-bench-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'tokens'), tokens.join('\n'));
  const { code, stderr } = await run(
    ['bench', 'http://127.0.0.1:1', '--users', '3', '--tokens', 'tokens'],
    {},
    directory,
  );
  expect(code).toBe(2);
  expect(stderr).toContain(text);
});

it('spends no token where --admin-url is wrong', async () => {
  const { createServer } = await import('node:http');
  const paths: string[] = [];
  const server = createServer((request, response) => {
    paths.push(request.url!);
    response.writeHead(404).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as { port: number };
    const url = `http://127.0.0.1:${port}`;
    const { code, stderr } = await run(['bench', `${url}/refresh/`, '--admin-url', url, ...OPEN_LOAD], env);
    expect(code).toBe(4);
    expect(stderr).toContain('ADMIN_UNREACHABLE');
    expect(paths).toEqual(['/kpis']);
  } finally {
    server.close();
  }
});

it('says which server could not be reached', async () => {
  const { code, stderr } = await run(['bench', 'http://127.0.0.1:9', '--users', '2', '--json'], env);
  expect(code).toBe(4);
  expect(stderr).toContain('could not be reached (ECONNREFUSED)');
});
