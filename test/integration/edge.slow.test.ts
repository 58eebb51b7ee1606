/** Clients that come too often, and whose they are, behind a proxy. */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startHaProxy } from '../support/haproxy.js';
import { until } from '../support/redis.js';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';

const found = services();

interface Line {
  readonly event: string;
  readonly request_id: string;
  readonly trace_id?: string;
  readonly address: string;
  readonly route: string;
  readonly status: number;
  readonly outcome: string;
  readonly duration_ms: number;
}

describe.skipIf(found.postgres === undefined)('at the edge', () => {
  const world = rotationWorld();

  const serve = async (...args: string[]): Promise<TestServer> => {
    const server = await startServer({ databaseUrl: world.url, args });
    onTestFinished(() => server.stop());
    return server;
  };

  const ask = async (
    base: string,
    endpoint: string,
    body: object,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; retryAfter: string | null; body: Record<string, string> }> => {
    const answer = await fetch(`${base}/account/token/${endpoint}/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const told = (await answer.json()) as Record<string, string>;
    return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: told };
  };
  const refresh = (base: string, token: string, headers?: Record<string, string>) =>
    ask(base, 'refresh', { refresh: token }, headers);

  /** Statements that refreshes sent, as the server counts them. */
  const statements = async ({ adminUrl }: TestServer): Promise<number> => {
    const text = await (await fetch(`${adminUrl}/metrics`)).text();
    return [
      ...text.matchAll(/^carelink_db_statements_total\{purpose="(?:claim|lookup|read|verify)"\} (\d+)/gm),
    ]
      .map(([, count]) => Number(count))
      .reduce((sum, count) => sum + count, 0);
  };

  const lines = (server: TestServer): Line[] =>
    server
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line)
      .filter(({ event }) => event === 'request');

  /** Lines come by a pipe, after the answers that they tell of. */
  const logged = async (server: TestServer, count: number): Promise<Line[]> => {
    await until(() => Promise.resolve(lines(server).length >= count));
    return lines(server);
  };

  it('a user in a loop is held to the rate before any statement; others, and refused refreshes, are not', async () => {
    const server = await serve('--throttle-user', '3/h');
    const other = await world.login();
    let { token } = await world.login();
    for (let granted = 0; granted < 3; granted++) {
      const answer = await refresh(server.url, token);
      expect(answer.status).toBe(200);
      token = answer.body['refresh']!;
    }
    const before = await statements(server);
    for (let n = 0; n < 5; n++) {
      const { status, retryAfter, body } = await refresh(server.url, token);
      expect([status, body['code']]).toEqual([429, 'throttled']);
      // One comes back every 1,200 seconds.
      expect(Number(retryAfter)).toBeGreaterThan(1_000);
      expect(body['detail']).toBe(`Request was throttled. Expected available in ${retryAfter} seconds.`);
    }
    expect(await statements(server)).toBe(before);
    expect((await refresh(server.url, other.token)).status).toBe(200);

    // A refused refresh costs its user nothing.
    const patient = await world.login();
    const first = await refresh(server.url, patient.token);
    for (let n = 0; n < 20; n++) expect((await refresh(server.url, patient.token)).status).toBe(401);
    expect((await refresh(server.url, first.body['refresh']!)).status).toBe(200);
    const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
    expect(metrics).toContain(`carelink_token_refresh_total{outcome="throttled"} 5`);
  });

  it('an address that sends forged tokens is held to the rate; whoever shares it is not', async () => {
    const server = await serve('--throttle-address', '5/h');
    const answers = [];
    for (let n = 0; n < 8; n++) answers.push((await refresh(server.url, `ey${n}.forged.token`)).status);
    expect(answers).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    expect(await ask(server.url, 'verify', { token: 'x' })).toMatchObject({
      status: 429,
      body: { code: 'throttled' },
    });

    // A whole shift behind the same address: good, spent and expired tokens, and what isn't a token at all.
    const { token } = await world.login();
    const expired = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 100_000 });
    const statuses = async (times: number, send: () => Promise<{ status: number }>) =>
      new Set(await Promise.all(Array.from({ length: times }, async () => (await send()).status)));
    expect((await refresh(server.url, token)).status).toBe(200);
    for (let n = 0; n < 20; n++) expect((await refresh(server.url, token)).status).toBe(401);
    expect(await statuses(20, () => refresh(server.url, expired.token))).toEqual(new Set([401]));
    expect(await statuses(5, () => ask(server.url, 'refresh', {}))).toEqual(new Set([400]));
    const shift = await Promise.all(Array.from({ length: 50 }, () => world.login()));
    const all = await Promise.all(shift.map((login) => refresh(server.url, login.token)));
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
  });

  it('the access log has a line for each request, or for each that failed, and no token', async () => {
    const [all, errors, off] = await Promise.all([
      serve('--access-log', 'all'),
      serve('--access-log', 'errors'),
      serve(),
    ]);
    const trace = '0af7651916cd43dd8448eb211c80319c';
    for (const server of [all, errors, off]) {
      const { token } = await world.login();
      const traced = { traceparent: `00-${trace}-b7ad6b7169203331-01`, 'x-request-id': 'mine' };
      expect((await refresh(server.url, token, traced)).status).toBe(200);
      expect((await refresh(server.url, token)).status).toBe(401);
      expect(server.output()).not.toContain(token.slice(0, 60));
    }
    const [ok, refused, ...more] = await logged(all, 2);
    expect(more).toEqual([]);
    expect(ok).toMatchObject({
      route: 'refresh', status: 200, outcome: 'rotated', address: '127.0.0.1', trace_id: trace,
    }); // prettier-ignore
    // Nobody's word on it was to be taken.
    expect(ok!.request_id).toMatch(/^[0-9a-f-]{36}$/);
    expect(ok!.duration_ms).toBeGreaterThan(0);
    expect(refused).toMatchObject({ status: 401, outcome: 'blacklisted' });
    expect(refused!.trace_id).toBeUndefined();
    expect((await logged(errors, 1)).map(({ status }) => status)).toEqual([401]);
    expect(lines(off)).toEqual([]);
  });

  it.skipIf(found.haproxy === undefined)(
    'behind HAProxy the address is the one that it heard, whatever a client writes; so is the id of the request',
    async () => {
      const [server, trusting] = await Promise.all([
        serve('--access-log', 'all', '--throttle-address', '2/h'),
        serve('--access-log', 'all', '--throttle-address', '2/h', '--trusted-proxy', '127.0.0.0/30'),
      ]);
      const ports = (one: TestServer) => ({
        port: Number(new URL(one.url).port),
        adminPort: Number(new URL(one.adminUrl).port),
      });
      const [plain, trusted] = await Promise.all([
        startHaProxy([ports(server)], { forwards: true }),
        startHaProxy([ports(trusting)], { forwards: true }),
      ]);
      onTestFinished(() => Promise.all([plain.stop(), trusted.stop()]).then(() => undefined));
      const spoofed = { 'x-forwarded-for': '198.51.100.1', 'x-request-id': 'spoofed' };
      // Until HAProxy has found its servers well.
      for (const { url } of [plain, trusted])
        while (
          (await fetch(`${url}/`).then(
            (one) => one.status,
            () => 503,
          )) === 503
        )
          await sleep(50);
      for (const { url } of [plain, trusted]) await ask(url, 'verify', { token: 'x' }, spoofed);

      expect(await logged(server, 1)).toMatchObject([{ address: '127.0.0.1', status: 401 }]);
      // HAProxy heard loopback, and that is no proxy's word only where it is in the range.
      expect(await logged(trusting, 1)).toMatchObject([{ address: '198.51.100.1', status: 401 }]);
      expect(lines(trusting)[0]!.request_id).toMatch(/^[0-9a-f-]{36}$/);
      expect(lines(server)[0]!.request_id).not.toBe('spoofed');

      // From an address outside of the range: it is the client's, and what it wrote isn't.
      const from = (localAddress: string) =>
        new Promise<string>((resolve, reject) => {
          const { hostname, port } = new URL(trusted.url);
          const body = '{"token":"x"}';
          const socket = connect({ host: hostname, port: Number(port), localAddress });
          let told = '';
          socket.setEncoding('utf8').on('data', (text: string) => (told += text));
          socket.on('error', reject).on('close', () => resolve(told.slice(9, 12)));
          socket.end(
            `POST /account/token/verify/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 127.0.0.1, 198.51.100.1\r\n` +
              `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
          );
        });
      expect([await from('127.0.0.9'), await from('127.0.0.9'), await from('127.0.0.9')]).toEqual([
        '401',
        '401',
        '429',
      ]);
      expect(await from('127.0.0.10')).toBe('401');
      expect((await logged(trusting, 5)).map(({ address }) => address)).toEqual([
        '198.51.100.1', '127.0.0.9', '127.0.0.9', '127.0.0.9', '127.0.0.10',
      ]); // prettier-ignore
    },
  );
});
