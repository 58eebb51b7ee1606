import { isIP } from 'node:net';
import type { ServerResponse } from 'node:http';
import { describeError } from '../observe/errors.js';
import type { Log } from '../observe/log.js';
import { OPEN_METRICS_TYPE, takesOpenMetrics } from '../observe/open-metrics.js';
import type { EventStreams } from './events.js';
import type { TokenRequest } from './exchange.js';
import { DEFAULT_LIMITS } from './limits.js';
import { createListener, type HttpServer } from './listener.js';
import { HOST_REFUSED, json, methodNotAllowed, NOT_FOUND, Reply, send, UNANSWERABLE } from './respond.js';

export interface Readiness {
  readonly ready: boolean;
  /** One entry a store or condition: `ok`, or what is wrong. */
  readonly checks: Record<string, string>;
}

export interface DashboardPage {
  readonly html: string;
  /** What the page may load: itself. */
  readonly contentSecurityPolicy: string;
}

export interface AdminServerOptions {
  readiness(): Promise<Readiness>;
  readonly metrics: {
    readonly contentType: string;
    render(): Promise<string>;
    /** Exemplars, for who asks for OpenMetrics; not given where there can be none. */
    readonly openMetrics?: (() => Promise<string>) | undefined;
  };
  /** What `/kpis` answers. */
  kpis(): object | Promise<object>;
  /** The page of `/dashboard`, and the events that feed it. */
  readonly dashboard?: { page(): DashboardPage; readonly streams: EventStreams } | undefined;
  /** What a shadow has found out: as JSON, and for people. */
  readonly shadow?: { document(): object; text(): string } | undefined;
  /** The host the port was configured with: a name of its own that requests may carry. */
  readonly host: string;
  readonly log: Log;
}

/** `startDraining`: from now on /readyz says no, so that balancers look elsewhere while the public port drains. */
export type AdminServer = HttpServer;

/** Operators, scrapers, probes and dashboards are few. */
const MAX_CONNECTIONS = 100;

/** The port for operators: health, readiness, metrics, KPIs. */
export function createAdminServer(options: AdminServerOptions): AdminServer {
  const { metrics, log } = options;
  let draining = false;

  const readyz = async (): Promise<Reply> => {
    const { ready, checks } = await inTime(options.readiness());
    const body = { ready: ready && !draining, draining, checks };
    return json(body.ready ? 200 : 503, body, 'valid');
  };
  const scrape = async ({ headers: { accept } }: TokenRequest): Promise<Reply> => {
    const { openMetrics } = metrics;
    const open = openMetrics !== undefined && takesOpenMetrics(accept);
    const body = await (open ? openMetrics() : metrics.render());
    const length = String(Buffer.byteLength(body));
    const headers = [
      'Content-Type',
      open ? OPEN_METRICS_TYPE : metrics.contentType,
      'Content-Length',
      length,
      'Cache-Control',
      'no-store',
    ];
    return new Reply(200, headers, body, 'valid');
  };
  const dashboard = (): Reply =>
    options.dashboard === undefined ? NOT_FOUND : pageReply(options.dashboard.page());
  const pages = new Map<string, (request: TokenRequest) => Reply | Promise<Reply>>([
    ['/healthz', () => HEALTHY],
    ['/readyz', readyz],
    ['/metrics', scrape],
    ['/dashboard', dashboard],
    ['/kpis', async () => json(200, (await options.kpis()) as Record<string, unknown>, 'valid')],
  ]);

  const { shadow } = options;
  if (shadow !== undefined) {
    pages.set('/shadow', ({ headers: { accept } }) =>
      wantsText(accept)
        ? textReply(shadow.text())
        : json(200, shadow.document() as Record<string, unknown>, 'valid'),
    );
  }

  const contents = json(200, { see: [...pages.keys()] }, 'valid');
  pages.set('/', () => contents);

  const answer = async (
    page: (request: TokenRequest) => Reply | Promise<Reply>,
    request: TokenRequest,
    response: ServerResponse,
  ): Promise<void> => {
    let reply: Reply;
    try {
      reply = await page(request);
    } catch (error) {
      log.error('admin_request_failed', describeError(error));
      reply = UNANSWERABLE;
    }
    finish(response, reply);
  };
  const finish = (response: ServerResponse, reply: Reply): void => {
    if (draining) response.shouldKeepAlive = false;
    if (!response.destroyed) send(response, reply);
  };

  const follow = (response: ServerResponse, streams: EventStreams): void => {
    if (draining || !streams.admit(response)) finish(response, UNANSWERABLE);
  };

  const listener = createListener({
    limits: { ...DEFAULT_LIMITS, maxConnections: MAX_CONNECTIONS },
    // A probe must get through, whoever holds connections open and says nothing.
    makesRoom: true,
    log,
    onDrain() {
      draining = true;
      options.dashboard?.streams.end();
    },
    onRequest(request: TokenRequest, response) {
      const { method = '', url = '' } = request;
      const path = url.split('?', 1)[0] ?? '';
      const page = pages.get(path);
      // Nothing here takes a body; one that comes closes the connection instead of being read.
      if (request.headers['content-length'] !== undefined) response.shouldKeepAlive = false;
      if (request.headers['transfer-encoding'] !== undefined) response.shouldKeepAlive = false;
      if (!knownHost(request.headers.host, options.host)) finish(response, HOST_REFUSED);
      else if (path === '/events' && method === 'GET' && options.dashboard !== undefined) {
        follow(response, options.dashboard.streams);
      } else if (page === undefined) finish(response, NOT_FOUND);
      else if (method !== 'GET' && method !== 'HEAD') {
        finish(response, methodNotAllowed(method, ['Allow', 'GET, HEAD']));
      } else void answer(page, request, response);
    },
  });
  // Dashboards go on until the port is closed.
  return { ...listener, startDraining: () => void (draining = true) };
}

/** A browser does, and whoever asks for it; scripts mostly say nothing. */
function wantsText(accept: string | undefined): boolean {
  return /^\s*text\/(?:html|plain)\b/.test(accept ?? '');
}

function textReply(text: string): Reply {
  const headers = [
    'Content-Type', 'text/plain; charset=utf-8',
    'Content-Length', String(Buffer.byteLength(text)),
    'Cache-Control', 'no-store',
    'X-Content-Type-Options', 'nosniff',
  ]; // prettier-ignore
  return new Reply(200, headers, text, 'valid');
}

function pageReply({ html, contentSecurityPolicy }: DashboardPage): Reply {
  const headers = [
    'Content-Type', 'text/html; charset=utf-8',
    'Content-Length', String(Buffer.byteLength(html)),
    'Content-Security-Policy', contentSecurityPolicy,
    'Cache-Control', 'no-store',
    'X-Content-Type-Options', 'nosniff',
    'Referrer-Policy', 'no-referrer',
  ]; // prettier-ignore
  return new Reply(200, headers, html, 'valid');
}

/** A prober gives up after a second or a few, and then knows less than from a "no". */
const READINESS_MS = 2_000;

/** A store that hangs is not ready. */
async function inTime(readiness: Promise<Readiness>): Promise<Readiness> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Readiness>((resolve) => {
    timer = setTimeout(() => resolve({ ready: false, checks: { readiness: 'timed out' } }), READINESS_MS);
  });
  return Promise.race([readiness, late]).finally(() => clearTimeout(timer));
}

const HEALTHY = json(200, { status: 'ok' }, 'valid');

/**
 * Whether a request was meant for this port. A page in an operator's browser can have its own name resolve to
 * 127.0.0.1 and read the answers (DNS rebinding), but it can't change the Host header: so a name must be one of
 * ours. An address is no name, and can't be rebound.
 */
export function knownHost(header: string | undefined, configured: string): boolean {
  if (header === undefined) return false;
  const host = hostOf(header);
  if (isIP(host) !== 0) return true;
  return host === 'localhost' || host.endsWith('.localhost') || host === configured.toLowerCase();
}

/** The host without its port; an IPv6 address without its brackets. */
function hostOf(header: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(header);
  if (bracketed !== null) return bracketed[1] ?? '';
  return header.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();
}
