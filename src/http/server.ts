import type { ServerResponse } from 'node:http';
import type { AccessLog } from '../observe/access-log.js';
import type { Log } from '../observe/log.js';
import type { HttpObserver } from '../observe/requests.js';
import type { Tracing } from '../observe/trace.js';
import type { TokenService } from '../rotation/outcomes.js';
import type { RateLimit } from '../rotation/rate-limit.js';
import type { Asset } from './assets.js';
import { ClientAddress, NO_PROXIES, type TrustedProxies } from './client-address.js';
import type { CookieStyle } from './cookies/style.js';
import type { Cors } from './cors.js';
import type { DemoRoutes } from './demo.js';
import type { Door } from './door.js';
import { Exchange, type Exchanges, type TokenRequest } from './exchange.js';
import type { Limits } from './limits.js';
import { bringsTooMuch, closeLingering } from './linger.js';
import { Misrouted } from './misrouted.js';
import { createListener, type HttpServer, type Tls } from './listener.js';
import {
  BODY_TOO_LARGE,
  methodNotAllowed,
  NO_HOST,
  NOT_FOUND,
  nothingHere,
  overloaded,
  send,
  type Reply,
} from './respond.js';
import { optionsOf, pathOf, tokenRoutes, type EndpointPaths } from './routes.js';
import type { SimplejwtCompat } from './simplejwt-texts.js';

export interface PublicServerOptions {
  readonly service: TokenService;
  readonly paths: EndpointPaths;
  readonly compat: SimplejwtCompat;
  /** The claim that ends a sliding token: it is named in answers. */
  readonly slidingEnd: string;
  /** Undefined: tokens travel in bodies. */
  readonly cookies?: CookieStyle | undefined;
  /** Undefined: pages of other origins read nothing. */
  readonly cors?: Cors | undefined;
  /** Files by their path. */
  readonly assets?: ReadonlyMap<string, Asset> | undefined;
  readonly demo?: DemoRoutes | undefined;
  readonly tls?: Tls | undefined;
  readonly limits: Limits;
  /** What refreshes come in by; undefined: whatever comes is let in. */
  readonly door?: Door | undefined;
  /** Undefined: no proxy is trusted. */
  readonly proxies?: TrustedProxies | undefined;
  /** Undefined: nobody is held to a rate. */
  readonly forgers?: RateLimit | undefined;
  readonly accessLog?: AccessLog | undefined;
  /** Undefined: no request is traced. */
  readonly tracing?: Tracing | undefined;
  readonly observe: HttpObserver;
  readonly log: Log;
}

/** The port that takes over Django's token endpoint. */
export function createPublicServer(options: PublicServerOptions): HttpServer {
  const { cookies, cors, demo, door } = options;
  const routes = tokenRoutes(options.service, options.paths, options, cookies, door);
  const assets = new Map([...(options.assets ?? []), ...(demo?.assets ?? [])]);
  const atRoot = nothingHere(`${options.paths.refresh}/`);
  const misrouted = new Misrouted(options.paths, options.log);
  const { bodyBytes } = options.limits;
  const { observe, log, accessLog, tracing, forgers } = options;
  const clients = new ClientAddress(options.proxies ?? NO_PROXIES);
  const shared: Exchanges = {
    bodyBytes, observe, log, clients, accessLog, tracing, forgers, cookies, door, draining: false,
  }; // prettier-ignore

  /** Answers without reading the body. */
  const refuse = (request: TokenRequest, response: ServerResponse, reply: Reply): void => {
    if (shared.draining) response.shouldKeepAlive = false;
    if (bringsTooMuch(request, bodyBytes)) closeLingering(request, response, reply);
    else send(response, reply);
  };

  return createListener({
    limits: options.limits,
    log: options.log,
    tls: options.tls,
    onDrain: () => (shared.draining = true),
    onRequest(request, response, expectsContinue) {
      const preflight = cors?.begin(request, response);
      if (preflight !== undefined) {
        refuse(request, response, preflight);
        return;
      }
      const { headers, method = '' } = request;
      const path = pathOf(request.url ?? '');
      const route = routes.get(path);
      const shown = route === undefined ? demo?.answer(method, path, request) : undefined;
      if (headers.host === undefined && request.httpVersion === '1.1') {
        refuse(request, response, NO_HOST);
      } else if (route === undefined && (method === 'GET' || method === 'HEAD') && assets.has(path)) {
        refuse(request, response, assets.get(path)?.reply(request) ?? NOT_FOUND);
      } else if (shown !== undefined) {
        void shown.then(
          (reply) => refuse(request, response, reply),
          () => refuse(request, response, NOT_FOUND),
        );
      } else if (route === undefined) {
        misrouted.note(method, path);
        refuse(request, response, path === '/' ? atRoot : NOT_FOUND);
      } else if (method === 'OPTIONS') {
        refuse(request, response, optionsOf(route));
      } else if (method !== 'POST') {
        refuse(request, response, methodNotAllowed(method));
      } else if (Number(headers['content-length'] ?? 0) > bodyBytes) {
        closeLingering(request, response, BODY_TOO_LARGE);
      } else if (route.name === 'refresh' && door !== undefined && !door.admits()) {
        const sinceMs = performance.now();
        refuse(request, response, overloaded(door.retryAfterSeconds()));
        door.paid(performance.now() - sinceMs);
      } else {
        if (expectsContinue) response.writeContinue();
        Exchange.start(shared, route, request, response);
      }
    },
  });
}
