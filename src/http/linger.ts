import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Reply } from './respond.js';

/** Enough for a client that notices its answer while it is sending. */
const LINGER_BYTES = 1024 * 1024;
const LINGER_MS = 1_000;

/**
 * Answers a request whose body nobody wants, and closes. The answer is out at once, complete by its
 * Content-Length; the close waits a little and throws away what still arrives, since closing a socket with
 * unread bytes sends a reset, which can take the answer out of the client's hands (RFC 9112, 9.6).
 */
export function closeLingering(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  response.shouldKeepAlive = false;
  response.writeHead(reply.status, reply.headers);
  response.write(reply.body);
  let thrownAway = 0;
  const done = (): void => {
    clearTimeout(timer);
    if (!response.writableEnded) response.end();
  };
  const timer = setTimeout(done, LINGER_MS);
  request.on('data', (chunk: Buffer) => {
    thrownAway += chunk.length;
    if (thrownAway > LINGER_BYTES) done();
  });
  request.once('end', done);
  request.once('close', done);
  request.resume();
}

/** Whether a request brings more body than may be read and forgotten for the sake of its connection. */
export function bringsTooMuch(request: IncomingMessage, bodyBytes: number): boolean {
  if (request.headers['transfer-encoding'] !== undefined) return true;
  return Number(request.headers['content-length'] ?? 0) > bodyBytes;
}
