import { IncomingMessage, type ServerResponse } from 'node:http';
import { describeError } from '../observe/errors.js';
import type { AccessLog } from '../observe/access-log.js';
import type { Log } from '../observe/log.js';
import type { HttpObserver, RequestOutcome } from '../observe/requests.js';
import type { RequestTrace, Tracing } from '../observe/trace.js';
import type { RateLimit } from '../rotation/rate-limit.js';
import { tokenInBody } from './body.js';
import { countedAs, type ClientAddress } from './client-address.js';
import type { CookieStyle } from './cookies/style.js';
import { requestIdOf, traceIdOf } from './request-id.js';
import { BODY_TOO_LARGE, Reply, send, serverError, throttled } from './respond.js';
import { closeLingering } from './linger.js';
import type { Door } from './door.js';
import type { TokenRoute } from './route.js';

/** What all exchanges of a server share. */
export interface Exchanges {
  readonly bodyBytes: number;
  readonly observe: HttpObserver;
  readonly log: Log;
  readonly clients: ClientAddress;
  /** Undefined: no line a request. */
  readonly accessLog: AccessLog | undefined;
  /** Undefined: no request is traced. */
  readonly tracing: Tracing | undefined;
  /** Of those who send forged tokens, by address; undefined: they may go on. */
  readonly forgers: RateLimit | undefined;
  /** Undefined: tokens travel in bodies. */
  readonly cookies: CookieStyle | undefined;
  /** What refreshes come in by; undefined: whatever comes is let in. */
  readonly door: Door | undefined;
  /** Set once the server stops: every answer from then on closes its connection. */
  draining: boolean;
}

/** Node's request with its exchange on it, so that listeners are shared functions and not closures a request. */
export class TokenRequest extends IncomingMessage {
  exchange: Exchange | undefined;
}

/**
 * One request to one route, from its first body byte to its answer. Nothing keeps it but the request: of one
 * that was aborted, nothing stays behind.
 */
export class Exchange {
  readonly #shared: Exchanges;
  readonly #route: TokenRoute;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  // Nearly every body is one chunk, and isn't copied.
  #body: Buffer | undefined;
  #more: Buffer[] | undefined;
  #size = 0;
  #readAt = 0;
  #id: string | undefined;
  #trace: RequestTrace | undefined;

  private constructor(
    shared: Exchanges,
    route: TokenRoute,
    request: IncomingMessage,
    response: ServerResponse,
  ) {
    this.#shared = shared;
    this.#route = route;
    this.#request = request;
    this.#response = response;
  }

  static start(shared: Exchanges, route: TokenRoute, request: TokenRequest, response: ServerResponse): void {
    request.exchange = new Exchange(shared, route, request, response);
    if (shared.accessLog !== undefined || shared.forgers !== undefined) shared.clients.remember(request);
    request.on('data', onData);
    request.on('end', onEnd);
  }

  take(chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size > this.#shared.bodyBytes) {
      this.#request.off('data', onData).off('end', onEnd);
      closeLingering(this.#request, this.#response, BODY_TOO_LARGE);
    } else if (this.#body === undefined) {
      this.#body = chunk;
    } else {
      this.#more ??= [this.#body];
      this.#more.push(chunk);
    }
  }

  end(): void {
    this.#readAt = performance.now();
    this.#trace = this.#shared.tracing?.begin(this.#route.name, this.#request.headers);
    const body = this.#more === undefined ? (this.#body ?? EMPTY) : Buffer.concat(this.#more);
    void this.#answer(body);
  }

  async #answer(body: Buffer): Promise<void> {
    const door = this.#route.name === 'refresh' ? this.#shared.door : undefined;
    door?.enters();
    let reply: Reply;
    try {
      const { headers } = this.#request;
      let token = this.#token(body);
      if (token instanceof Promise) token = await token;
      reply = typeof token === 'string' ? await this.#route.handle(token, headers, this.#trace) : token;
      if (reply.status === 401 && this.#route.name === 'refresh' && typeof token === 'string') {
        this.#shared.observe.onRefused(reply.outcome, token, this.#address());
      }
      if (this.#shared.forgers !== undefined && FORGED.has(reply.outcome)) {
        const waitMs = this.#shared.forgers.charge(countedAs(this.#address()));
        // Whoever wants out is out: that answer clears a cookie.
        const clears = this.#route.name === 'blacklist' && this.#shared.cookies !== undefined;
        if (waitMs > 0 && !clears) reply = throttled(waitMs);
      }
    } catch (error) {
      reply = this.#failed(error);
    }
    door?.leaves();
    this.#send(reply);
  }

  #token(body: Buffer): string | Reply | Promise<string | Reply> {
    const { headers } = this.#request;
    const { name: route, field } = this.#route;
    const type = headers['content-type'];
    const { cookies } = this.#shared;
    if (cookies === undefined) return tokenInBody(type, body, field);
    const inBody = (absent?: string | Reply) => tokenInBody(type, body, field, absent);
    return cookies.find({ route, headers, hasBody: body.length > 0, inBody });
  }

  #failed(error: unknown): Reply {
    const id = this.#requestId();
    this.#shared.log.error('request_failed', {
      request_id: id,
      route: this.#route.name,
      ...describeError(error),
    });
    return serverError(id);
  }

  #send(reply: Reply): void {
    const { draining, observe, accessLog } = this.#shared;
    if (draining) this.#response.shouldKeepAlive = false;
    // The client may have gone meanwhile; what it asked for happened nevertheless, and is counted.
    if (!this.#response.destroyed) send(this.#response, reply);
    const durationMs = performance.now() - this.#readAt;
    const trace = this.#trace;
    trace?.answered(reply.status, reply.outcome);
    observe.onRequest(this.#route.name, reply.outcome, Math.round(durationMs * 1000), trace?.traceId);
    if (accessLog?.wants(reply.status) === true) {
      const { status, outcome } = reply;
      accessLog.write({
        requestId: this.#requestId(),
        traceId: trace?.traceId ?? traceIdOf(this.#request.headers),
        address: this.#address(),
        route: this.#route.name,
        status,
        outcome,
        durationMs,
      });
    }
  }

  #address(): string {
    return this.#shared.clients.of(this.#request);
  }

  /** The same each time that it is asked for. */
  #requestId(): string {
    return (this.#id ??= requestIdOf(this.#request.headers, this.#shared.clients.isProxied(this.#request)));
  }
}

/** What the verification of a token says where it was never signed, or not for this. An expired one is nobody's forgery. */
const FORGED: ReadonlySet<RequestOutcome> = new Set(['invalid', 'malformed']);

const EMPTY = Buffer.alloc(0);

function onData(this: TokenRequest, chunk: Buffer): void {
  this.exchange?.take(chunk);
}

function onEnd(this: TokenRequest): void {
  this.exchange?.end();
}
