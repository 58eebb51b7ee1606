/** What `bench` says where a target is not one: the first refreshes tell, and no load follows. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { BIN, cleanEnvironment } from '../support/server.js';
import { TLS } from '../support/tls-pair.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';
import { run } from './run.js';

const env = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };
const SHORT = ['--users', '5', '--duration', '1s', '--warmup', '0s', '--json'];

async function listen(answer: RequestListener, tls?: { cert: string; key: string }) {
  const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/refresh/`, stop };
}

const status =
  (code: number, headers: Record<string, string> = {}): RequestListener =>
  (request, response) =>
    void request.resume().on('end', () => response.writeHead(code, headers).end('{}'));

it.concurrent.each([
  [308, { location: 'https://api.example/refresh/' }, 'NOT_A_REFRESH_ENDPOINT', 'redirects to https://api.example/refresh/'],
  [401, {}, 'TOKENS_REFUSED', 'the key that it verifies with'],
  [403, {}, 'TARGET_REFUSES', '--header'],
  [404, {}, 'NOT_A_REFRESH_ENDPOINT', 'Is it the URL of a refresh endpoint?'],
  [429, {}, 'TARGET_REFUSES', 'Switch the throttle off for the run'],
  [500, {}, 'TARGET_FAILS', 'Look into its log'],
] as const)('a target that answers %i', async (code, headers, error, words) => {
  const target = await listen(status(code, headers));
  const { code: exit, stdout } = await run(['bench', target.url, ...SHORT], env);
  target.stop();
  const told = JSON.parse(stdout) as { code: string; message: string };
  expect(told.code).toBe(error);
  expect(told.message).toContain(`answered HTTP ${code} to `);
  expect(told.message).toContain(words);
  expect(exit).toBe(4);
}); // prettier-ignore

it.concurrent(
  'a certificate that nobody vouches for: named with what to do, and accepted where that is asked for; headers are sent',
  async () => {
    const headers: (string | undefined)[] = [];
    let nth = 0;
    const target = await listen((request, response) => {
      headers.push(request.headers['x-tenant'] as string | undefined);
      const body = JSON.stringify({ access: 'a.b.c', refresh: `a.b.${++nth}` });
      request.resume().on('end', () => response.end(body));
    }, TLS);
    const junit = join(tmpdir(), `carelink-bench-junit-${process.pid}.xml`);
    const refused = await run(['bench', target.url, ...SHORT, '--junit', junit], env);
    expect(refused.code).toBe(4);
    expect(refused.stderr).toMatch(/NODE_EXTRA_CA_CERTS=ca\.pem, or give --insecure/);
    expect(readFileSync(junit, 'utf8')).toMatch(/<error message="TARGET_UNREACHABLE: .*SELF_SIGNED/);

    const more = ['--insecure', '--header', 'X-Tenant: clinic, north', '--kpis', 'refresh_duration'];
    const taken = await run(
      ['bench', target.url, ...SHORT, '--duplicates', '0', ...more, '--junit', junit, '--summary', 'github'],
      { ...env, GITHUB_STEP_SUMMARY: `${junit}.md` },
    );
    target.stop();
    expect(taken.stderr).toContain('--insecure: certificates are not verified');
    const report = JSON.parse(taken.stdout) as {
      verdict: 'pass' | 'fail' | 'inconclusive';
      because: string;
      kpis: { id: string; verdict: string; note?: string }[];
    };
    expect(new Set(headers)).toEqual(new Set(['clinic, north']));
    // Only what was asked for decides; what a busy machine makes of the time is its own affair.
    const [time, ...others] = report.kpis;
    expect(others.map(({ note }) => note)).toEqual(Array(4).fill('left out by --kpis'));
    expect([time!.id, report.verdict]).toEqual([
      'refresh_duration',
      { pass: 'pass', fail: 'fail', unmeasured: 'inconclusive' }[time!.verdict],
    ]);
    expect(taken.code).toBe({ pass: 0, fail: 1, inconclusive: 3 }[report.verdict]);
    if (report.verdict === 'pass')
      expect(report.because).toMatch(/^The KPIs that --kpis names hold: refresh dur/);
    const xml = readFileSync(junit, 'utf8');
    expect(xml).toContain('skipped="4"');
    expect(xml.match(/<testcase /g)).toHaveLength(6);
    expect(readFileSync(`${junit}.md`, 'utf8')).toMatch(/^## \S+ bench: (pass|fail|inconclusive)\n/);
  },
);

it.skipIf(process.platform !== 'linux')(
  'a limit of open files is this machine, and not the target',
  async () => {
    let nth = 0;
    const target = await listen((request, response) => {
      const body = JSON.stringify({ access: 'a.b.c', refresh: `a.b.${++nth}` });
      request.resume().on('end', () => response.end(body));
    });
    const command = `ulimit -n 300; exec "$0" "$@"`;
    const child = spawn(
      '/bin/sh',
      ['-c', command, process.execPath, BIN, 'bench', target.url, ...SHORT, '--users', '500'],
      { env: cleanEnvironment(env), stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let stderr = '';
    child.stderr.on('data', (part) => (stderr += String(part)));
    const [exit] = (await once(child, 'close')) as [number];
    target.stop();
    expect(stderr).toMatch(
      /OPEN_FILES.* need 1064 open files, and this process may open 300\. .*ulimit -n 65536/,
    );
    expect(exit).toBe(2);
  },
);

it.concurrent.each([
  [['--header', 'Content-Type: text/html'], 'bench writes content-type itself'],
  [['--header', 'X-A: b', 'http://127.0.0.1:9'], 'the URL of the server goes before --header'],
  [['--profile', join(import.meta.dirname, 'run.ts')], 'line 1 is no step'],
  [['--find-capacity', '--vs', 'http://127.0.0.1:9'], '--find-capacity and --vs exclude each other'],
  [['--find-capacity', '--mode', 'closed'], 'that is --mode open'],
  [['--kpis', 'speed'], 'one of refresh_duration, db_queries'],
  [['--summary', 'github'], 'GITHUB_STEP_SUMMARY'],
] as const)('refuses %j with what is allowed', async (args, text) => {
  const { code, stderr } = await run(['bench', ...args], env);
  expect(stderr).toContain(text);
  expect(code).toBe(2);
});
