import { createServer, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, ListenOptions, Socket } from 'node:net';
import { describeError } from '../observe/errors.js';
import type { Log } from '../observe/log.js';
import { ClientErrors } from './client-errors.js';
import { TokenRequest } from './exchange.js';
import type { Limits } from './limits.js';
import { IdleConnections } from './idle-connections.js';
import { EXPECTATION_FAILED, methodNotAllowed, raw, send } from './respond.js';

export interface HttpServer {
  /** All is served as before, and each answer asks its client to connect anew: a stop is near. */
  startDraining(): void;
  /** Connections that begin now are shown this certificate; those that are open stay as they are. With TLS only. */
  renewCertificate(tls: Tls): void;
  /** Rejects with the system's error where the address can't be had. Port 0 takes a free one. */
  listen(host: string, port: number): Promise<{ url: string; port: number }>;
  /** The same at a name in the file system (http/socket-place.ts). */
  listenOn(path: string): Promise<void>;
  /**
   * Stops accepting, lets requests in flight end, and closes. What is still open after `timeoutMs` is destroyed:
   * it never takes longer.
   */
  close(timeoutMs: number): Promise<void>;
}

export interface Tls {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export interface ListenerOptions {
  readonly limits: Limits;
  readonly log: Log;
  readonly tls?: Tls | undefined;
  onRequest(request: TokenRequest, response: ServerResponse, expectsContinue: boolean): void;
  /** Called once, first thing in a drain or on close, before connections end. */
  onDrain(): void;
  /**
   * At `maxConnections` the connection that has been idle for longest makes room for a new one. Not for a port behind a
   * proxy, which may be about to use an idle one.
   */
  readonly makesRoom?: boolean;
}

/**
 * How many connections may wait to be accepted. With Node's 511 a burst of 2,000 lost its SYNs and came back after 1, 3,
 * 7 and 15 s. The kernel takes no more than net.core.somaxconn.
 */
export const BACKLOG = 4_096;

/** A node:http server with its limits, its manners towards broken clients, and its way to stop. */
export function createListener(options: ListenerOptions): HttpServer {
  const { limits, log, tls } = options;
  const settings = {
    IncomingMessage: TokenRequest,
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    // Of TLS. Node's own 120 s would keep whoever says nothing that much longer than a header that doesn't come.
    handshakeTimeout: limits.headersTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // Time-outs are looked for this often: Node's default of 30 s would let a slow sender stay that much longer.
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(limits.headersTimeoutMs / 4)),
    // Node refuses with an empty body; here a refusal is JSON.
    requireHostHeader: false,
    keepAlive: true,
  };
  const tlsServer = tls && createTlsServer<typeof TokenRequest>({ ...settings, ...tls });
  const server = tlsServer ?? createServer<typeof TokenRequest>(settings);
  const idle = options.makesRoom === true ? new IdleConnections(limits.maxConnections) : undefined;
  // The one that makes room is closed, but not yet gone, when the new one comes.
  server.maxConnections = limits.maxConnections * (idle === undefined ? 1 : 2);
  server.timeout = limits.idleTimeoutMs;
  // A client that sent its request and closed its sending side still waits for the answer. Node has had this
  // property since 0.8, without a line in its manual; a test holds it.
  (server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true;

  const clientErrors = new ClientErrors(log);
  const begin = (request: TokenRequest, response: ServerResponse, expectsContinue: boolean): void => {
    clientErrors.began(response);
    idle?.began(request.socket, response);
    options.onRequest(request, response, expectsContinue);
  };
  server.on('request', (request, response) => begin(request, response, false));
  server.on('checkContinue', (request, response) => begin(request, response, true));
  server.on('checkExpectation', (_request, response) => {
    response.shouldKeepAlive = false;
    send(response, EXPECTATION_FAILED);
  });
  server.on('connect', (_request, socket) => socket.end(raw(methodNotAllowed('CONNECT'))));
  server.on('clientError', clientErrors.onClientError);
  server.on('drop', tellOfDrops(log));

  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    idle?.opened(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  const listenAt = (at: ListenOptions): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ ...at, backlog: BACKLOG }, () => {
        server.off('error', reject);
        server.on('error', (error) => log.error('server_error', describeError(error)));
        resolve();
      });
    });
  let draining = false;
  const startDraining = (): void => {
    if (draining) return;
    draining = true;
    options.onDrain();
  };
  return {
    startDraining,
    renewCertificate: (renewed) => tlsServer?.setSecureContext(renewed),
    async listen(host, port) {
      await listenAt({ port, host });
      const bound = (server.address() as AddressInfo).port;
      const name = host.includes(':') ? `[${host}]` : host;
      return { url: `${tls === undefined ? 'http' : 'https'}://${name}:${bound}`, port: bound };
    },
    listenOn: (path) => listenAt({ path }),
    close: (timeoutMs) =>
      new Promise((resolve) => {
        startDraining();
        const timer = setTimeout(() => {
          log.warn('drain_timed_out', { count: sockets.size });
          for (const socket of sockets) socket.destroy();
        }, timeoutMs);
        // Closes idle connections too; one that never sent a byte doesn't count as idle to Node.
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
        for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
      }),
  };
}

const DROPS_TOLD_EVERY_MS = 10_000;

/** A flood of connections must not become a flood of log lines. */
function tellOfDrops(log: Log): () => void {
  let count = 0;
  let toldAt = -Infinity;
  return () => {
    count += 1;
    if (performance.now() - toldAt < DROPS_TOLD_EVERY_MS) return;
    toldAt = performance.now();
    log.warn('connections_turned_away', { count });
    count = 0;
  };
}
