/** The files of deploy/nginx and deploy/haproxy, run as they are, in front of Django and this server. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { BLACKLISTED, blacklist, pairOf, refresh, whoami } from '../interop/api.js';
import { json, send } from '../interop/http.js';
import { startPair, type Pair } from '../interop/pair.js';
import {
  startDeployedHaProxy,
  startDeployedNginx,
  type Behind,
  type DeployedProxy,
  type SetUp,
} from '../support/deployed-proxies.js';
import { rawRequest } from '../support/raw-request.js';
import { until } from '../support/redis.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';

const found = services();
const PROXIES = { nginx: startDeployedNginx, haproxy: startDeployedHaProxy };
type Kind = keyof typeof PROXIES;
const KINDS = Object.keys(PROXIES) as Kind[];
const PAGE = 'https://app.example.org';

/** A way to a port that counts the connections made, at a port of its own or at a socket; as if the server were gone once cut. */
async function counted(toWhere: number | string, at?: string) {
  const open = new Set<Socket>();
  let cut = false;
  const way = {
    connections: 0,
    cut: () => {
      cut = true;
      for (const socket of open) socket.destroy();
    },
  };
  const server = createServer((from) => {
    way.connections++;
    if (cut) {
      from.destroy();
      return;
    }
    const to = connect(
      typeof toWhere === 'string' ? { path: toWhere } : { host: '127.0.0.1', port: toWhere, noDelay: true },
    );
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      open.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(at === undefined ? { port: 0, host: '127.0.0.1' } : { path: at });
  await once(server, 'listening');
  return { where: at ?? (server.address() as AddressInfo).port, way, close: () => void server.close() };
}

describe.skipIf(
  found.postgres === undefined || !found.django || found.nginx === undefined || found.haproxy === undefined,
)('behind a proxy with our configuration', () => {
  let pair: Pair;
  let forPages: TestServer;
  let user: { username: string; password: string };

  beforeAll(async () => {
    pair = await startPair({ args: ['--trusted-proxy', '127.0.0.1'] });
    forPages = await startServer({
      databaseUrl: pair.database,
      args: ['--trusted-proxy', '127.0.0.1', '--cors-origin', PAGE],
    });
    user = { username: 'nurse', password: 'a password of hers' };
    await pair.django.makeUser(user);
  });
  afterAll(async () => {
    await forPages.stop();
    await pair.close();
  });

  /** A proxy of one kind before one of our servers, counted. */
  const before = async (kind: Kind, setUp: SetUp, ours: string, at?: string) => {
    const toWhere = ours.startsWith('unix:') ? ours.slice('unix:'.length) : Number(new URL(ours).port);
    const { where, way, close } = await counted(toWhere, at);
    const behind: Behind = {
      carelink: where,
      django: Number(new URL(pair.django.url).port),
      admin: Number(new URL(forPages.adminUrl).port),
    };
    const proxy = await PROXIES[kind](setUp, behind);
    onTestFinished(async () => {
      await proxy.stop();
      close();
    });
    return { proxy, way };
  };

  const atSocket = async (host: string): Promise<TestServer> => {
    const args = ['--host', host, '--trusted-proxy', 'unix:', '--access-log', 'all'];
    const server = await startServer({ databaseUrl: pair.database, args });
    onTestFinished(() => server.stop());
    return server;
  };

  const logIn = async (url: string) => pairOf(await send(url, json('/account/token/obtain/', user)));

  /** Log-in at Django, refreshes and log-out here, and Django takes what was signed here: by one origin. */
  const session = async (url: string) => {
    const first = await logIn(url);
    const second = pairOf(await refresh(url, first.refresh));
    const third = pairOf(await refresh(url, second.refresh));
    expect((await whoami(url, third.access)).status).toBe(200);
    expect((await blacklist(url, third.refresh)).body).toEqual({});
    expect(await refresh(url, third.refresh)).toMatchObject({
      status: 401,
      // Our sentence beside Django's: it came here.
      body: { ...BLACKLISTED, error: 'Token is blacklisted.' },
    });
  };

  /** Requests of many clients, each over a connection of its own, and of one client over one. */
  const manyRequests = async ({ proxy, way }: { proxy: DeployedProxy; way: { connections: number } }) => {
    const { refresh: token } = await logIn(proxy.url);
    const begun = way.connections;
    const body = JSON.stringify({ token });
    for (let n = 0; n < 10; n++) {
      const verify = { port: proxy.port, target: 'POST /account/token/verify/', body };
      expect((await rawRequest(verify)).status).toBe(200);
      expect((await send(proxy.url, json('/account/token/verify/', { token }))).status).toBe(200);
    }
    return way.connections - begun;
  };

  it.each(KINDS)(
    '%s on the same origin: a session from log-in to log-out, over kept connections',
    async (kind) => {
      const { proxy, way } = await before(kind, 'same-origin', pair.url);
      await session(proxy.url);
      // HAProxy ends what was idle for long, and may open another one; without keep-alive it would be 20.
      expect(await manyRequests({ proxy, way })).toBeLessThanOrEqual(2);

      // What is ours, and what is Django's, by the type and the words of the answer.
      const type = async (path: string) => {
        const answer = await fetch(proxy.url + path, { method: path.endsWith('s/') ? 'POST' : 'GET' });
        return [answer.status, answer.headers.get('content-type')];
      };
      expect(await type('/account/token/client/token-manager.js')).toEqual([
        200,
        'text/javascript; charset=utf-8',
      ]);
      expect(await type('/account/token/.well-known/jwks.json')).toEqual([404, 'application/json']);
      expect(await type('/account/token/sliding/refresh')).toEqual([405, 'application/json']);
      expect(await type('/nothing')).toEqual([404, expect.stringContaining('text/html')]);
      // Django decodes paths: what it would take for a refresh must not get there.
      const { refresh: token } = await logIn(proxy.url);
      const disguised = await send(proxy.url, json('/account/token/%72efresh/', { refresh: token }));
      expect([disguised.status, disguised.body]).toEqual([
        404,
        { detail: 'Not found.', error: 'Not found.' },
      ]);

      // A server that is gone: a client is told in JSON to send the same token again.
      way.cut();
      const again = () => refresh(proxy.url, token).catch(() => undefined);
      // A connection that breaks under a request is passed on as broken: whoever has no answer repeats.
      const gone = (await again()) ?? (await refresh(proxy.url, token));
      expect(gone.headers['retry-after']).toBe('1');
      expect(gone.headers['content-type']).toBe('application/json');
      expect([502, 503]).toContain(gone.status);
      expect(gone.body).toMatchObject({ error: 'Token refresh is temporarily unavailable.' });
    },
  );

  it.each(KINDS)('%s for pages of another origin: preflights and errors can be read, once', async (kind) => {
    const { proxy, way } = await before(kind, 'other-origin', forPages.url);
    await session(proxy.url);
    const { refresh: token } = await logIn(proxy.url);
    const ask = (target: string, lines: readonly string[], body = '') =>
      rawRequest({ port: proxy.port, target, lines, body });
    const origins = (head: string) =>
      [...head.matchAll(/^Access-Control-Allow-Origin: (.*?)\r?$/gim)].map(([, one]) => one);

    const preflight = await ask('OPTIONS /account/token/refresh/', [
      `Origin: ${PAGE}`,
      'Access-Control-Request-Method: POST',
      'Access-Control-Request-Headers: content-type',
    ]);
    expect([preflight.status, origins(preflight.head)]).toEqual([204, [PAGE]]);
    const path = '/account/token/verify/';
    for (const [status, target, body] of [
      [200, `POST ${path}`, JSON.stringify({ token })],
      [401, `POST ${path}`, '{"token":"x"}'],
      [400, `POST ${path}`, '{'],
      [405, `GET ${path}`, ''],
    ] as const) {
      const answer = await ask(target, [`Origin: ${PAGE}`], body);
      expect([answer.status, origins(answer.head)]).toEqual([status, [PAGE]]);
      expect(answer.head).toMatch(/^Vary: Origin\r?$/im);
      expect(origins((await ask(target, ['Origin: https://evil.test'], body)).head)).toEqual([]);
    }
    expect(await manyRequests({ proxy, way })).toBeLessThanOrEqual(2);
  });

  it.each(KINDS)('%s over a Unix socket: a session, over kept connections', async (kind) => {
    const directory = mkdtempSync(join(tmpdir(), 'carelink-socket-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const socket = `unix:${join(directory, 'server.sock')}`;
    const server = await atSocket(socket);
    const at = join(directory, 'tokens.sock');
    const { proxy, way } = await before(kind, 'unix-socket', socket, at);
    await session(proxy.url);
    expect(await manyRequests({ proxy, way })).toBeLessThanOrEqual(2);
    const forged = { target: 'POST /account/token/verify/', body: '{"token":"x"}', from: '127.0.1.9' };
    expect((await rawRequest({ port: proxy.port, ...forged })).status).toBe(401);
    await until(() => Promise.resolve(server.output().includes('"address":"127.0.1.9"')));
  });
});
