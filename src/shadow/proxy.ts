import type { ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import type { TokenRequest } from '../http/exchange.js';
import { createListener, type HttpServer, type Tls } from '../http/listener.js';
import type { Limits } from '../http/limits.js';
import { badGateway, MALFORMED, send, type Reply } from '../http/respond.js';
import { pathOf } from '../http/routes.js';
import type { Log } from '../observe/log.js';
import { describeError } from '../observe/errors.js';
import { endToEnd, withForwardedFor } from './hop-by-hop.js';
import { CLIENT_GONE, Passing, type Answered } from './passing.js';
import { bodyOf, type Body } from './request-body.js';
import type { Upstream } from './upstream.js';

/** A request as it came, that is to be judged once Django has answered it. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: TokenRequest['headers'];
  readonly body: Buffer;
}

/** Told of each request while it passes. Nothing here is waited for. */
export interface Witness {
  /** Undefined: it is not judged, and nothing of it is kept. */
  arrived(method: string, path: string, headers: TokenRequest['headers']): Ticket | undefined;
  onPassed(): void;
  onUnanswered(why: 'upstream' | 'client'): void;
}

/** One request that is to be judged. */
export interface Ticket {
  answered(asked: Asked, answered: Answered): void;
  /** Its connection has done with it, whatever came of it. */
  closed(): void;
}

export interface ShadowServerOptions {
  readonly upstream: Upstream;
  readonly witness: Witness;
  readonly tls: Tls | undefined;
  readonly maxConnections: number;
  /** A longer body is passed on, and not judged. */
  readonly mostJudgedBytes: number;
  readonly log: Log;
}

/**
 * What a client may do is Django's to decide, and of the proxy before it. These bounds only keep a connection that never
 * says anything from staying for ever.
 */
function limits(maxConnections: number): Limits {
  return {
    headerBytes: 128 * 1024,
    bodyBytes: Infinity,
    headersTimeoutMs: 60_000,
    requestTimeoutMs: 0,
    keepAliveTimeoutMs: 65_000,
    idleTimeoutMs: 0,
    maxConnections,
  };
}

/** Stands in front of Django and passes everything through: requests as they come, answers as they are. */
export function createShadowServer(options: ShadowServerOptions): HttpServer {
  const { upstream, witness, log } = options;
  let draining = false;

  const refuse = (response: ServerResponse, reply: Reply): void => {
    response.shouldKeepAlive = false;
    if (!response.headersSent && !response.destroyed) send(response, reply);
  };

  const pass = (request: TokenRequest, response: ServerResponse): void => {
    const { method = 'GET', url = '/' } = request;
    const path = pathOf(url);
    const ticket = witness.arrived(method, path, request.headers);
    if (ticket !== undefined) response.once('close', () => ticket.closed());
    const onFailed = (error: Error, begun: boolean): void => {
      if (error.message === CLIENT_GONE) {
        witness.onUnanswered('client');
        return;
      }
      witness.onUnanswered('upstream');
      log.warn('upstream_failed', { ...describeError(error), end: begun ? 'cut off' : 'no answer' });
      if (begun) return;
      // Django never saw it, or nobody knows: what a proxy says of both.
      refuse(response, badGateway());
    };
    const go = (body: Body, asked: Buffer | undefined): void => {
      const passing = new Passing({
        response,
        keeps: ticket !== undefined,
        onAnswered(answered) {
          witness.onPassed();
          const kept = asked ?? body.kept?.();
          if (kept !== undefined)
            ticket?.answered({ method, path, headers: request.headers, body: kept }, answered);
        },
        onFailed,
      });
      const address = request.socket.remoteAddress ?? '';
      const headers = withForwardedFor(endToEnd(request.rawHeaders), address);
      try {
        upstream.dispatch(
          { path: url, method, headers, body: body.sent } as Dispatcher.DispatchOptions,
          passing,
        );
      } catch (error) {
        log.warn('request_not_passable', describeError(error));
        refuse(response, MALFORMED);
      }
    };
    bodyOf(request, ticket === undefined ? 0 : options.mostJudgedBytes, go);
  };

  return createListener({
    limits: limits(options.maxConnections),
    log,
    tls: options.tls,
    onDrain: () => (draining = true),
    onRequest(request, response, expectsContinue) {
      if (draining) response.shouldKeepAlive = false;
      if (expectsContinue) response.writeContinue();
      pass(request, response);
    },
  });
}
