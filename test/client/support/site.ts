import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../../support/certificates.js';
import { decodeToken, TEST_SIGNING_KEY } from '../../support/tokens.js';

/** What becomes of one refresh on its way through the site's proxy. */
export type Fate =
  | 'pass'
  | { readonly status: number; readonly retryAfter?: string; readonly html?: boolean }
  /** Answered only then; `before`: also sent on to the server only then. */
  | { readonly until: Promise<unknown>; readonly hold: 'before' | 'after' }
  /** Answered with another access token than the server's. */
  | { readonly access: string }
  /** Never reaches the server. */
  | 'drop'
  /** The server answers, and nobody hears it. */
  | 'lose';

export interface Site {
  /** `/away` is a page without the client. */
  readonly url: string;
  /** All connections are dropped, as those of a browser without network. */
  down: boolean;
  /** Decides about the refreshes that come from now on; counted from 0. */
  fate: (n: number) => Fate;
  /** How many refreshes have arrived since it was last set to 0. */
  refreshes: number;
  /** How many requests the API has refused; counted like them. */
  refused: number;
  /** Method and path of those that it has answered. */
  readonly answered: string[];
  /** What was posted to the server's refresh endpoint. */
  readonly posted: string[];
  /** What was posted to another refresh endpoint than the server's. */
  readonly elsewhere: string[];
  /** How many of those that are held have come. */
  holding: number;
  /** Answers to `/api/held/head` begin only then; those to `/api/held/body` end only then. */
  release: Promise<unknown>;
  close(): Promise<void>;
}

export interface SiteOptions {
  /** The origin of pages that may use the API as well, with its cookies. */
  readonly pages?: string;
  /** With a certificate that nobody has reason to trust. */
  readonly https?: boolean;
}

/** A web app as a browser sees it: a page, an API that wants an access token, and the refresh server behind a proxy. */
export async function startSite(upstream: string, { pages, https = false }: SiteOptions = {}): Promise<Site> {
  const serve = (incoming: IncomingMessage, response: ServerResponse): void => {
    response.on('error', () => undefined);
    const path = incoming.url ?? '';
    if (site.down) void response.destroy();
    else if (path.startsWith('/account/token/')) void proxy(incoming, response);
    else if (path.startsWith('/other/')) void elsewhere(incoming, response);
    else if (path.startsWith('/api/')) {
      if (pages !== undefined && allowed(incoming, response, pages)) return;
      if (path.startsWith('/api/held')) void held(incoming, response, path);
      else if (api(incoming, response)) site.answered.push(`${incoming.method} ${path}`);
      else site.refused += 1;
    } else
      response
        .writeHead(200, { 'content-type': 'text/html' })
        .end(path === '/away' ? '<!doctype html><title>away</title>' : PAGE);
  };
  const server = https ? createHttpsServer(await ownCertificate(), serve) : createServer(serve);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const site: Site = {
    url: `${https ? 'https://localhost' : 'http://127.0.0.1'}:${(server.address() as AddressInfo).port}`,
    down: false,
    fate: () => 'pass',
    refreshes: 0,
    refused: 0,
    answered: [],
    posted: [],
    elsewhere: [],
    holding: 0,
    release: Promise.resolve(),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };

  async function elsewhere(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of incoming) body += String(chunk);
    site.elsewhere.push(body);
    response.writeHead(503, { 'content-type': 'application/json' }).end('{}');
  }

  async function held(incoming: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    incoming.resume();
    site.holding += 1;
    if (path.endsWith('head')) await site.release;
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.write('first ');
    await site.release;
    response.end('last');
  }

  async function proxy(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const refreshes = incoming.url!.endsWith('/refresh/') && incoming.method === 'POST';
    if (refreshes) site.posted.push(Buffer.concat(chunks).toString());
    const fate = refreshes ? site.fate(site.refreshes++) : 'pass';
    if (fate === 'drop') return void response.destroy();
    if (typeof fate === 'object' && 'status' in fate) {
      if (pages !== undefined) allowed(incoming, response, pages);
      response.writeHead(fate.status, { ...(fate.retryAfter && { 'retry-after': fate.retryAfter }) });
      return void response.end(fate.html === true ? '<title>log in</title>' : '{}');
    }
    if (typeof fate === 'object' && 'hold' in fate && fate.hold === 'before') await fate.until;
    const target = new URL(incoming.url!, upstream);
    const outgoing = request(target, { method: incoming.method!, headers: incoming.headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () => {
        const body = (): Buffer | string => {
          const real = Buffer.concat(parts);
          if (typeof fate !== 'object' || !('access' in fate)) return real;
          return JSON.stringify({ ...(JSON.parse(real.toString()) as object), access: fate.access });
        };
        const deliver = (): void => {
          if (fate === 'lose') return void response.destroy();
          const sent = body();
          const length = String(Buffer.byteLength(sent));
          response.writeHead(answer.statusCode!, { ...answer.headers, 'content-length': length });
          response.end(sent);
        };
        if (typeof fate === 'object' && 'hold' in fate && fate.hold === 'after')
          void fate.until.then(deliver);
        else deliver();
      });
    });
    outgoing.on('error', () => response.destroy());
    outgoing.end(Buffer.concat(chunks));
  }
  return site;
}

async function ownCertificate(): Promise<{ cert: string; key: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'carelink-site-'));
  try {
    return await makeCertificate(directory, 'site');
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** What the API's own CORS middleware does. Whether that was all: it was a preflight. */
function allowed(incoming: IncomingMessage, response: ServerResponse, pages: string): boolean {
  response.setHeader('access-control-allow-origin', pages);
  response.setHeader('access-control-allow-credentials', 'true');
  response.setHeader('access-control-expose-headers', 'Retry-After');
  if (incoming.method !== 'OPTIONS') return false;
  response.writeHead(204, { 'access-control-allow-headers': 'authorization' }).end();
  return true;
}

/** Whether the token was good. */
function api(incoming: IncomingMessage, response: ServerResponse): boolean {
  incoming.resume();
  const inCookie = /(?:^|; )access=([^;]+)/.exec(incoming.headers.cookie ?? '')?.[1];
  const token = inCookie ?? (incoming.headers.authorization ?? '').replace(/^Bearer /, '');
  const [head = '', body = '', signature = ''] = token.split('.');
  const right = createHmac('sha256', TEST_SIGNING_KEY).update(`${head}.${body}`).digest('base64url');
  const { exp, user_id } = signature === right ? decodeToken(token).claims : { exp: 0 };
  const good = Number(exp) * 1000 > Date.now();
  response.writeHead(good ? 200 : 401, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ user: user_id, type: incoming.headers['content-type'] }));
  return good;
}

/** `?storage=cookie&skew=600000&worker=1&lacks=locks`; make() gives the page a new manager, as a reload would. */
const PAGE = `<!doctype html><title>test</title><script type="module">
const query = new URLSearchParams(location.search);
const skew = Number(query.get('skew') ?? 0), now = Date.now.bind(Date);
Date.now = () => now() + skew;
const refuse = (code) => () => { throw new DOMException('', code); };
({
  locks: () => Object.defineProperty(navigator, 'locks', { value: undefined }),
  denied: () => Object.defineProperty(window, 'sessionStorage', { get: refuse('SecurityError') }),
  date: () => {
    const { get } = Headers.prototype;
    Headers.prototype.get = function (name) { return name === 'date' ? null : get.call(this, name); };
  },
  full: () => (Storage.prototype.setItem = refuse('QuotaExceededError')),
  any: () => delete AbortSignal.any,
  channel: () => (window.BroadcastChannel = class { constructor() { throw new DOMException('', 'SecurityError'); } }),
  indexedDB: () => (IDBFactory.prototype.open = refuse('UnknownError')),
})[query.get('lacks')]?.();
addEventListener('pageshow', (event) => (window.persisted = event.persisted));
const [{ TokenManager }, { idleLogOff }, { refreshWorker }] = await Promise.all(
  ['token-manager', 'idle', 'worker'].map((name) => import('/account/token/client/' + name + '.js')));
window.worker = refreshWorker;
window.make = async () => {
  window.manager?.dispose();
  window.events = [];
  window.manager = new TokenManager({
    storage: query.get('storage'), background: query.has('background'), batchWindowMs: Number(query.get('window') ?? 0),
    maxQueue: Number(query.get('queue') ?? 1000), maxWaitMs: Number(query.get('wait') ?? 30_000),
    ...JSON.parse(query.get('options') ?? '{}'),
    ...(query.has('worker') && { serviceWorker: refreshWorker('/account/token/client/service-worker.js') }),
    ...(query.has('idle') && { idle: (window.idle = idleLogOff({ after: query.get('idle'), warn: query.get('warn') ?? '1s' })) }) });
  for (const name of ['refreshed', 'failed', 'expiring', 'expired', 'signedOut', 'idleWarning']) manager.on(name, (detail) => events.push([name, detail]));
  await manager.ready;
  return manager.getSnapshot();
};
window.fire = (count) => Promise.all(Array.from({ length: count }, () =>
  manager.authenticatedFetch('/api/x').then(async (r) => [r.status, String((await r.json()).user)], (e) => [e.code ?? String(e), ''])));
await make();
window.up = true;
</script>`;
