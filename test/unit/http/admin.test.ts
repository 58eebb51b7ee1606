import { afterEach, describe, expect, it } from 'vitest';
import { createAdminServer, knownHost, type AdminServer, type Readiness } from '../../../src/http/admin.js';
import { createLog } from '../../../src/observe/log.js';
import { metricsSink } from '../../../src/observe/metrics.js';
import { holdToDocument } from '../../support/held-to-document.js';
import { open, talk } from './server-under-test.js';

let server: AdminServer | undefined;
afterEach(async () => {
  await server?.close(0);
  server = undefined;
});

async function get(
  path: string,
  options: { readiness?: () => Promise<Readiness>; host?: string; method?: string; draining?: boolean } = {},
): Promise<{ status: number; head: string; body: string }> {
  const logged: string[] = [];
  server = createAdminServer({
    readiness: options.readiness ?? (() => Promise.resolve({ ready: true, checks: { database: 'ok' } })),
    metrics: metricsSink(),
    kpis: () => ({ kpis: [] }),
    host: 'admin.example',
    log: createLog({ level: 'debug', destination: { write: (line) => void logged.push(line) } }),
  });
  const { port } = await server.listen('127.0.0.1', 0);
  holdToDocument(port, { port: 'admin', basePath: '', except: [] });
  if (options.draining === true) server.startDraining();
  const { method = 'GET', host = '127.0.0.1' } = options;
  const text = await talk(port, `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  const [head = '', body = ''] = text.split('\r\n\r\n');
  expect(logged.join('')).not.toContain('secret');
  return { status: Number(head.split(' ')[1]), head, body };
}

describe('the admin port', () => {
  it('says that the process is up', async () => {
    expect(await get('/healthz')).toMatchObject({ status: 200, body: '{"status":"ok"}' });
  });

  it('says whether it is ready, and why not', async () => {
    const ready = await get('/readyz');
    expect(ready.status).toBe(200);
    expect(JSON.parse(ready.body)).toEqual({ ready: true, draining: false, checks: { database: 'ok' } });
    await server!.close(0);
    const down = { ready: false, checks: { database: 'unreachable' } };
    const not = await get('/readyz', { readiness: () => Promise.resolve(down) });
    expect(not.status).toBe(503);
    expect(JSON.parse(not.body)).toEqual({ ...down, draining: false });
  });

  it('answers a probe beside a hundred connections that say nothing, and cuts off nobody who is answered', async () => {
    let answer: (readiness: Readiness) => void = () => undefined;
    const readiness = new Promise<Readiness>((resolve) => (answer = resolve));
    server = createAdminServer({
      readiness: () => readiness,
      metrics: metricsSink(),
      kpis: () => ({ kpis: [] }),
      host: 'admin.example',
      log: createLog({ level: 'silent', destination: { write: () => undefined } }),
    });
    const { port } = await server.listen('127.0.0.1', 0);
    const waiting = talk(port, 'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n');
    const idle = [];
    // One of them after the other: the oldest are those that go.
    for (let n = 0; n < 150; n++) idle.push(await open(port));
    const probe = await talk(port, 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n');
    expect(probe).toContain('200 OK');
    answer({ ready: true, checks: {} });
    expect(await waiting).toContain('200 OK');
    for (const socket of idle) socket.destroy();
  });

  it('is not ready while draining', async () => {
    const { status, body } = await get('/readyz', { draining: true });
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ ready: false, draining: true });
  });

  it('answers 503 in JSON where readiness itself fails, and tells nothing of why', async () => {
    const { status, body } = await get('/readyz', { readiness: () => Promise.reject(new Error('secret')) });
    expect(status).toBe(503);
    expect(body).not.toContain('secret');
    expect(JSON.parse(body)).toHaveProperty('error');
  });

  it('is not ready where readiness does not answer', async () => {
    const { status, body } = await get('/readyz', { readiness: () => new Promise(() => undefined) });
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({ ready: false });
  });

  it('says at its root what there is', async () => {
    const { status, body } = await get('/');
    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual({ see: ['/healthz', '/readyz', '/metrics', '/dashboard', '/kpis'] });
  });

  it('renders metrics', async () => {
    const { status, head, body } = await get('/metrics');
    expect(status).toBe(200);
    expect(head).toContain('Content-Type: text/plain; version=0.0.4');
    expect(body).toContain('carelink_token_refresh_total{outcome="rotated"} 0');
    expect(body).toContain('process_cpu_seconds_total');
  });

  it('answers 404, 405 and a foreign host in JSON', async () => {
    for (const [path, options, status] of [
      ['/nope', {}, 404],
      ['/metrics', { method: 'POST' }, 405],
      ['/metrics', { host: 'evil.example' }, 421],
    ] as const) {
      const answer = await get(path, options);
      expect(answer.status).toBe(status);
      expect(JSON.parse(answer.body)).toHaveProperty('error');
      await server!.close(0);
    }
  });
});

describe('names that the admin port answers to', () => {
  it.each([
    'localhost', 'localhost:9464', 'LOCALHOST.', 'app.localhost', '127.0.0.1', '127.0.0.1:9464', '10.1.2.3:80', '[::1]',
    '[::1]:9464', '[fe80::1]:9464', 'admin.example', 'Admin.Example:9464',
  ])('%s', (host) => expect(knownHost(host, 'admin.example')).toBe(true)); // prettier-ignore

  it.each([
    undefined, '', 'evil.example', 'evil.example:9464', 'localhost.evil.example', '127.0.0.1.evil.example', 'xlocalhost',
    '[evil]', '[::1', 'admin.example.evil', '127.0.0.1, evil', '127.1', ':9464',
  ])('not %s', (host) => expect(knownHost(host, 'admin.example')).toBe(false)); // prettier-ignore
});
