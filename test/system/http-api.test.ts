/**
 * docs/openapi.yaml is what servers answer: each operation is made to answer with each status that it has there, and each
 * answer is held against it. An answer that isn't in the document fails, and so does a status that no answer had.
 */
import { createConfig, lint } from '@redocly/openapi-core';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createAdminServer } from '../../src/http/admin.js';
import { Report } from '../../src/shadow/report.js';
import { reportText } from '../../src/shadow/text.js';
import { EventStreams } from '../../src/http/events.js';
import { createLog } from '../../src/observe/log.js';
import { metricsSink } from '../../src/observe/metrics.js';
import { documented, judge, OPENAPI_FILE, operations, type Asked } from '../support/openapi.js';
import { rawRequest, type RawAnswer, type RawRequest } from '../support/raw-request.js';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';
import { open, start } from '../unit/http/server-under-test.js';

const PAGE = 'https://app.example.org';
const BASE = '/account/token';
/** The token endpoints, and what their bodies call a token. */
const ENDPOINTS = [
  ['/refresh/', 'refresh'],
  ['/verify/', 'token'],
  ['/blacklist/', 'refresh'],
  ['/sliding/refresh/', 'token'],
] as const;

it('the document passes a linter', async () => {
  const config = await createConfig({
    extends: ['recommended-strict'],
    // Django's paths have one.
    rules: { 'no-path-trailing-slash': 'off' },
  });
  const problems = await lint({ ref: OPENAPI_FILE, config });
  expect(problems.map(({ ruleId, message, location }) => [ruleId, message, location[0]?.pointer])).toEqual(
    [],
  );
});

describe.skipIf(services().postgres === undefined)('the HTTP API', () => {
  const world = rotationWorld();
  let plain: TestServer;
  let asymmetric: TestServer;
  let demo: TestServer;
  let keys: string;
  const seen = new Set<string>();

  beforeAll(async () => {
    keys = mkdtempSync(join(tmpdir(), 'carelink-http-api-'));
    const key = join(keys, 'key.pem');
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    [plain, asymmetric, demo] = await Promise.all([
      startServer({
        databaseUrl: world.url,
        args: ['--cors-origin', PAGE, '--throttle-user', '2/h', '--throttle-address', '4/h'],
      }),
      startServer({
        databaseUrl: world.url,
        args: [
          '--algorithm', 'ES256', '--signing-key-file', key, '--cookie-style', 'dj-rest-auth', '--cookie-name', 'r',
        ], // prettier-ignore
        env: { CARELINK_SIGNING_KEY: '' },
      }),
      startServer({ args: ['--demo', '--refresh-cookie'], env: { CARELINK_SIGNING_KEY: '' } }),
    ]);
  });
  afterAll(async () => {
    await Promise.all([plain, asymmetric, demo].map((server) => server.stop()));
    rmSync(keys, { recursive: true });
  });

  /** Asks, and holds the answer against the document. */
  const ask = async (
    server: { readonly url: string } | { readonly adminUrl: string },
    method: string,
    path: string,
    request: Partial<RawRequest> = {},
  ): Promise<RawAnswer> => {
    const isAdmin = !('url' in server);
    const url = isAdmin ? server.adminUrl : server.url;
    const lines = isAdmin ? ['Host: 127.0.0.1', ...(request.lines ?? [])] : (request.lines ?? []);
    const answer = await rawRequest({
      port: Number(new URL(url).port),
      target: `${method} ${isAdmin ? '' : BASE}${path}`,
      ...request,
      lines: request.lines?.some((line) => /^host:/i.test(line)) === true ? request.lines : lines,
    });
    const asked: Asked = { port: isAdmin ? 'admin' : 'public', method, path };
    const { faults, entry } = judge(asked, answer);
    expect(faults).toEqual([]);
    seen.add(entry);
    return answer;
  };
  const admin = () => ({ adminUrl: plain.adminUrl });
  const statusOf = async (answer: Promise<RawAnswer>) => (await answer).status;
  const body = (field: string, token: string) => JSON.stringify({ [field]: token });

  /** Begun at the first test, for it takes ten seconds: a request whose headers never end. */
  let slow: Promise<number[]>;

  it('tokens are changed, verified, logged out and slid', async () => {
    slow = Promise.all(
      (['public', 'admin'] as const).flatMap((port) =>
        operations(port).map(({ method, path }) =>
          statusOf(
            ask(port === 'admin' ? admin() : plain, method, path, { unfinished: ['Host: 127.0.0.1'] }),
          ),
        ),
      ),
    );
    slow.catch(() => undefined);
    const { token, userId } = await world.login();
    const first = await ask(plain, 'POST', '/refresh/', { body: body('refresh', token) });
    expect(first.status).toBe(200);
    const { refresh } = JSON.parse(first.body) as { refresh: string };
    // Without the last slash, as a form.
    const lines = ['Content-Type: application/x-www-form-urlencoded', `Origin: ${PAGE}`];
    expect(await statusOf(ask(plain, 'POST', '/verify', { body: `token=${refresh}`, lines }))).toBe(200);
    const second = await ask(plain, 'POST', '/refresh/', { body: body('refresh', refresh) });
    const third = (JSON.parse(second.body) as { refresh: string }).refresh;
    // Two an hour.
    expect(await statusOf(ask(plain, 'POST', '/refresh/', { body: body('refresh', third) }))).toBe(429);
    expect(await statusOf(ask(plain, 'POST', '/blacklist/', { body: body('refresh', third) }))).toBe(200);
    const sliding = mintRefresh({
      userId,
      tokenType: 'sliding',
      claims: { refresh_exp: Math.floor(Date.now() / 1000) + 3_600 },
    });
    expect(
      await statusOf(ask(plain, 'POST', '/sliding/refresh/', { body: body('token', sliding.token) })),
    ).toBe(200);
    // Blacklisted: a validation error at verify/, refused elsewhere.
    expect(await statusOf(ask(plain, 'POST', '/verify/', { body: body('token', third) }))).toBe(400);
  });

  it.each(ENDPOINTS)('POST %s refuses what is no token, and no request', async (path, field) => {
    const post = (request: Partial<RawRequest>) => statusOf(ask(plain, 'POST', path, request));
    for (const text of ['', '{}', '[]', '{', '{"token":5,"refresh":[1]}', 'null'])
      expect([text, await post({ body: text })]).toEqual([
        text,
        400 + Number(text.includes('5') && field === 'token'),
      ]);
    const { token } = await world.login({ iatSeconds: 1_000 });
    expect(await post({ body: body(field, token) })).toBe(401);
    expect(await post({ body: body(field, 'x'.repeat(100_000)) })).toBe(413);
    expect(await post({ body: 'x', lines: ['Content-Type: text/plain'] })).toBe(415);
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE'])
      expect(await statusOf(ask(plain, method, path))).toBe(405);
    expect(await statusOf(ask(plain, 'OPTIONS', path))).toBe(200);
    const preflight = [`Origin: ${PAGE}`, 'Access-Control-Request-Method: POST'];
    expect(await statusOf(ask(plain, 'OPTIONS', path, { lines: preflight }))).toBe(204);
  });

  it.each(ENDPOINTS)(
    'POST %s is for no page of another site where browsers send cookies',
    async (path, field) => {
      const foreign = { lines: ['Origin: https://evil.example'], body: body(field, 'a.b.c') };
      expect(await statusOf(ask(asymmetric, 'POST', path, foreign))).toBe(403);
      expect(await statusOf(ask(asymmetric, 'POST', path, { body: body(field, 'a.b.c') }))).toBe(401);
    },
  );

  it('forged tokens are throttled everywhere', async () => {
    for (const [path, field] of ENDPOINTS) {
      let status = 0;
      for (let n = 0; n < 5; n++)
        status = await statusOf(
          ask(plain, 'POST', path, { body: body(field, 'a.b.c'), lines: [`Origin: ${PAGE}`] }),
        );
      expect(status).toBe(429);
    }
  });

  it('another refresh in flight, a store that is down and a fault are told', async () => {
    for (const [outcome, status] of [
      [() => Promise.resolve({ kind: 'in_progress', retryAfterSeconds: 1 }), 429],
      [() => Promise.resolve({ kind: 'unavailable', retryAfterSeconds: 2 }), 503],
      [() => Promise.reject(new Error('broken')), 500],
    ] as const) {
      const given = outcome as () => Promise<never>;
      const started = await start({
        service: { refresh: given, verify: given, logout: given, slide: given },
      });
      for (const [path, field] of status === 429 ? ENDPOINTS.slice(0, 1) : ENDPOINTS)
        expect(await statusOf(ask(started, 'POST', path, { body: body(field, 'a.b.c') }))).toBe(status);
      await started.server.close(0);
    }
  });

  it('files for browsers, public keys, and nothing elsewhere', async () => {
    for (const path of [
      '/client/token-manager.js',
      '/client/idle.js',
      '/client/worker.js',
      '/client/service-worker.js',
    ]) {
      const whole = await ask(plain, 'GET', path);
      expect(whole.status).toBe(200);
      const lines = [`If-None-Match: ${whole.headers.get('etag')!}`];
      expect(await statusOf(ask(plain, 'GET', path, { lines }))).toBe(304);
      expect(await statusOf(ask(plain, 'HEAD', path))).toBe(200);
      expect(await statusOf(ask(plain, 'POST', path))).toBe(404);
    }
    expect(await statusOf(ask(plain, 'GET', '/.well-known/jwks.json'))).toBe(404);
    expect(await statusOf(ask(asymmetric, 'GET', '/.well-known/jwks.json'))).toBe(200);
    for (const path of ['/nothing', '', '/']) expect(await statusOf(ask(plain, 'GET', path))).toBe(404);
  });

  it('the demo, and refresh tokens in cookies', async () => {
    const lines = ['Host: 127.0.0.1'];
    const proxied = [...lines, 'X-Forwarded-For: 192.0.2.1'];
    for (const path of ['/demo/', '/demo/demo.css', '/demo/demo.js']) {
      const { status, headers } = await ask(demo, 'GET', path, { lines });
      expect(status).toBe(200);
      const known = [...lines, `If-None-Match: ${headers.get('etag')!}`];
      expect(await statusOf(ask(demo, 'GET', path, { lines: known }))).toBe(304);
    }
    for (const { method, path } of operations('public').filter((one) => one.path.startsWith('/demo/')))
      expect(await statusOf(ask(demo, method, path, { lines: proxied }))).toBe(403);
    expect(await statusOf(ask(demo, 'GET', '/demo/config', { lines }))).toBe(200);
    expect(await statusOf(ask(demo, 'POST', '/demo/login', { lines, body: '{"user":3}' }))).toBe(400);
    const login = await ask(demo, 'POST', '/demo/login', { lines, body: '{"user":1}' });
    expect(login.status).toBe(200);
    const { access, refresh } = JSON.parse(login.body) as { access: string; refresh: string };
    const bearer = [...lines, `Authorization: Bearer ${access}`];
    expect(await statusOf(ask(demo, 'GET', '/demo/whoami', { lines: bearer }))).toBe(200);
    expect(await statusOf(ask(demo, 'GET', '/demo/whoami', { lines }))).toBe(401);

    for (const path of ['/refresh/', '/blacklist/'])
      expect(await statusOf(ask(demo, 'POST', path, { lines, body: body('refresh', refresh) }))).toBe(403);
    const session = [...lines, 'X-Carelink-Session: s1'];
    const moved = await ask(demo, 'POST', '/refresh/', { lines: session, body: body('refresh', refresh) });
    const cookie = moved.headers.get('set-cookie')!.split(';')[0]!;
    const withCookie = [...session, `Cookie: ${cookie}`];
    const out = await ask(demo, 'POST', '/blacklist/', { lines: withCookie });
    expect([moved.status, out.status, out.headers.has('set-cookie')]).toEqual([200, 200, true]);
    expect(await statusOf(ask(demo, 'POST', '/refresh/', { lines: withCookie }))).toBe(401);
    expect(await statusOf(ask(demo, 'POST', '/blacklist/', { lines: withCookie }))).toBe(401);
  });

  it('the admin port', async () => {
    for (const { path } of operations('admin')) {
      const foreign = { lines: ['Host: evil.example'] };
      expect(await statusOf(ask(admin(), 'GET', path, foreign))).toBe(421);
      if (path === '/events') continue;
      if (path === '/shadow') {
        expect(await statusOf(ask(admin(), 'GET', path))).toBe(404);
        continue;
      }
      expect(await statusOf(ask(admin(), 'GET', path))).toBe(200);
      expect(await statusOf(ask(admin(), 'HEAD', path))).toBe(200);
      expect(await statusOf(ask(admin(), 'POST', path))).toBe(405);
    }
    expect(await statusOf(ask(admin(), 'GET', '/nothing'))).toBe(404);
    expect(await statusOf(ask(admin(), 'HEAD', '/events'))).toBe(404);
    const begins = { until: (text: string) => text.includes('retry:') };
    expect(await statusOf(ask(admin(), 'GET', '/events', begins))).toBe(200);
  });

  it('an admin port that can not find out what it is asked for, or has enough streams', async () => {
    const unknown = () => {
      throw new Error('unknown');
    };
    const down = createAdminServer({
      readiness: () => Promise.resolve({ ready: false, checks: { database: 'unreachable' } }),
      metrics: { ...metricsSink(), render: unknown },
      kpis: unknown,
      dashboard: { page: unknown, streams: new EventStreams(() => undefined) },
      shadow: { document: unknown, text: unknown },
      host: '127.0.0.1',
      log: createLog({ level: 'silent', destination: { write: () => undefined } }),
    });
    const { url, port } = await down.listen('127.0.0.1', 0);
    onTestFinished(() => down.close(0));
    for (let followers = 0; followers < 16; followers++) {
      const socket = await open(port);
      socket.write('GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
      expect(String(await once(socket, 'data'))).toMatch(/^HTTP\/1.1 200 /);
    }
    for (const path of ['/readyz', '/metrics', '/kpis', '/shadow', '/dashboard', '/events'])
      expect(await statusOf(ask({ adminUrl: url }, 'GET', path))).toBe(503);
  });

  it('the admin port of a shadow', async () => {
    const report = new Report({
      shadowOf: 'http://127.0.0.1:1',
      wallClockMs: Date.now,
      onClass: () => undefined,
    });
    report.same(false);
    report.different('POST /refresh/', [{ code: 'access_lifetime', django: '5m', here: '15m' }]);
    const metrics = metricsSink();
    const server = createAdminServer({
      readiness: () => Promise.resolve({ ready: true, checks: { judge: 'ok' } }),
      metrics: { contentType: metrics.contentType, render: () => metrics.render() },
      kpis: () => ({}),
      shadow: { document: () => report.document(), text: () => reportText(report.document()) },
      host: '127.0.0.1',
      log: createLog({ level: 'silent', destination: { write: () => undefined } }),
    });
    const { url } = await server.listen('127.0.0.1', 0);
    onTestFinished(() => server.close(0));
    const shadow = { adminUrl: url };
    const told = await ask(shadow, 'GET', '/shadow');
    expect(JSON.parse(told.body)).toMatchObject({
      agrees: false,
      differences: [{ code: 'access_lifetime' }],
    });
    for (const accept of ['text/plain', 'text/html,application/xhtml+xml,*/*;q=0.8']) {
      const text = await ask(shadow, 'GET', '/shadow', { lines: ['Host: 127.0.0.1', `Accept: ${accept}`] });
      expect(text.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(text.body).toContain('access_lifetime: 1 request');
    }
    expect(await statusOf(ask(shadow, 'HEAD', '/shadow'))).toBe(200);
    expect(await statusOf(ask(shadow, 'POST', '/shadow'))).toBe(405);
  });

  it('what HTTP itself has to refuse, at every operation', async () => {
    for (const port of ['public', 'admin'] as const) {
      const server = port === 'admin' ? admin() : plain;
      for (const { method, path } of operations(port)) {
        const told = (request: Partial<RawRequest>) => statusOf(ask(server, method, path, request));
        expect(await told({ lines: ['Host: 127.0.0.1', 'Expect: a-miracle'] })).toBe(417);
        expect(await told({ lines: ['Host: 127.0.0.1', `X-Large: ${'x'.repeat(70_000)}`] })).toBe(431);
        expect(await told({ lines: ['Host: 127.0.0.1', 'no header'] })).toBe(400);
      }
    }
    const none = await rawRequest({
      port: Number(new URL(plain.url).port),
      target: 'POST /account/token/verify/',
      unfinished: ['Connection: close', ''],
    });
    expect([none.status, judge({ port: 'public', method: 'POST', path: '/verify/' }, none).faults]).toEqual([
      400,
      [],
    ]);
    // At last those whose time is over.
    expect(new Set(await slow)).toEqual(new Set([408]));
  });

  it('has no status in its document that no answer had', () => {
    expect(documented().filter((entry) => !seen.has(entry))).toEqual([]);
    expect(documented().length).toBeGreaterThan(150);
  });
});
