import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What `--alert-webhook` posts, as far as tests look at it. */
export interface Posted {
  readonly event: 'raised' | 'cleared';
  readonly code: string;
  readonly subject: string;
  readonly detail: string;
}

export interface Receiver {
  readonly url: string;
  /** In the order in which they came. */
  readonly posted: readonly Posted[];
  stop(): void;
}

/** A webhook's other end; its path is a secret. */
export async function startReceiver(): Promise<Receiver> {
  const posted: Posted[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (part) => (text += String(part)));
    request.on('end', () => {
      posted.push(JSON.parse(text) as Posted);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/services/hook-s3cret`,
    posted,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
