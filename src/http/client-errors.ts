import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '../observe/log.js';
import { HEADERS_TOO_LARGE, MALFORMED, raw, send, TIMED_OUT, type Reply } from './respond.js';

/** How long a refused client may go on sending before its connection is destroyed. */
const LINGER_MS = 500;

/**
 * Answers what the parser refused and what arrived too slowly: with JSON, after the answers that are still owed on
 * the same connection, and then the connection ends.
 */
export class ClientErrors {
  readonly #log: Log;
  /** The youngest response of a connection: what a refused byte came after. */
  readonly #youngest = new WeakMap<Duplex, ServerResponse>();
  /** The parser reports the same connection again with every byte that follows. */
  readonly #refused = new WeakSet<Duplex>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** To be told of every request, before it is answered. */
  began(response: ServerResponse): void {
    const { socket } = response;
    if (socket !== null) this.#youngest.set(socket, response);
  }

  readonly onClientError = (error: Error & { code?: string }, socket: Duplex): void => {
    if (this.#refused.has(socket)) return;
    this.#refused.add(socket);
    const reply = answerTo(error.code);
    // Of a parser's error only the code: the error carries the packet, and that may carry a token.
    if (this.#log.debugEnabled) this.#log.debug('client_error', { status: reply?.status ?? 0 });
    if (reply === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    const youngest = this.#youngest.get(socket);
    if (youngest === undefined || youngest.writableFinished) {
      endWith(socket, reply);
    } else if (youngest.writableEnded) {
      youngest.once('finish', () => endWith(socket, reply));
    } else if (youngest.req.complete) {
      // It is being worked on, and gets its answer; what came behind it gets a closed connection.
      youngest.shouldKeepAlive = false;
    } else if (!youngest.headersSent) {
      youngest.shouldKeepAlive = false;
      send(youngest, reply);
    } else {
      socket.destroy();
    }
  };
}

function answerTo(code: string | undefined): Reply | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return TIMED_OUT;
  if (code === 'HPE_HEADER_OVERFLOW') return HEADERS_TOO_LARGE;
  if (code?.startsWith('HPE_') === true) return MALFORMED;
  // The connection itself broke (ECONNRESET, EPIPE): nobody is there to answer.
  return undefined;
}

function endWith(socket: Duplex, reply: Reply): void {
  if (!socket.writable) return;
  socket.end(raw(reply));
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}
