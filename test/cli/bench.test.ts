import { expect, it } from 'vitest';
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

/** A target that answers in a way of its own; `nth` counts the requests. */
async function startTarget(answer: (nth: number, token: string) => { status?: number; next?: string }) {
  const { createServer } = await import('node:http');
  let nth = 0;
  const server = createServer((request, response) => {
    let body = '';
    request
      .on('data', (part) => (body += String(part)))
      .on('end', () => {
        const { refresh } = JSON.parse(body) as { refresh: string };
        const { status = 200, next = '' } = answer(++nth, refresh);
        response.writeHead(status).end(JSON.stringify({ access: 'a.b.c', refresh: next }));
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}/refresh/`, stop: () => void server.close() };
}

const SEEDED = 50;

it.concurrent.each<[string, (nth: number, token: string) => { status?: number; next?: string }, RegExp]>([
  ['does not rotate', (_, token) => ({ next: token }), /answers held no new refresh token/],
  ['gives users the same token', (nth) => ({ next: `a.b.${Math.floor(nth / 20)}` }), /another session had just been given/],
  ['throttles most', (nth) => (nth > SEEDED && nth % 3 > 0 ? { status: 429 } : { next: `a.b.${nth}` }), /requests were not answered .*HTTP 429: \d+\)\. A throttle/],
  ['refuses sessions for good', (nth) => (nth > SEEDED && nth % 4 === 0 ? { status: 401 } : { next: `a.b.${nth}` }), /a session was refused for good .*HTTP 401/],
])('fails a target that %s, and says so', async (_, answer, because) => {
  const target = await startTarget(answer);
  const { code, stdout } = await run(['bench', target.url, ...OPEN_LOAD, '--duplicates', '0'], env);
  target.stop();
  const report = JSON.parse(stdout) as { verdict: string; because: string };
  expect(report.because).toMatch(because);
  expect([code, report.verdict]).toEqual([1, 'fail']);
}); // prettier-ignore

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
  [['bench', '--duplicates', '101'], 'a percentage from 0 to 100'],
])('refuses %j with what is allowed', async (args, text) => {
  const { code, stderr } = await run(args);
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
