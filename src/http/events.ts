import type { ServerResponse } from 'node:http';

/** Operators and a wall display; each costs a socket and some kilobytes a second. */
const MAX_STREAMS = 16;

/** A reader that has not taken this much is asleep: closed, it comes back by itself and begins anew. */
const MAX_UNREAD_BYTES = 1_000_000;

/** How soon a browser comes back after its stream broke. */
const RETRY_MS = 2_000;

/** Streams of server-sent events: the same text to all (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export class EventStreams {
  readonly #open = new Set<ServerResponse>();
  readonly #onChange: (open: number) => void;

  constructor(onChange: (open: number) => void) {
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#open.size;
  }

  /** False: there are as many as there may be. */
  admit(response: ServerResponse): boolean {
    if (this.#open.size >= MAX_STREAMS) return false;
    response.writeHead(200, [
      'Content-Type', 'text/event-stream',
      'Cache-Control', 'no-store',
      'X-Content-Type-Options', 'nosniff',
      // nginx would gather events until its buffer is full.
      'X-Accel-Buffering', 'no',
    ]); // prettier-ignore
    response.write(`retry: ${RETRY_MS}\n\n`);
    this.#open.add(response);
    this.#onChange(this.#open.size);
    response.once('close', () => {
      this.#open.delete(response);
      this.#onChange(this.#open.size);
    });
    return true;
  }

  /** @param data one line */
  send(data: string): void {
    const event = `data: ${data}\n\n`;
    for (const response of this.#open) {
      if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
      else response.write(event);
    }
  }

  /** A stream never ends by itself: a server that stops ends it. */
  end(): void {
    for (const response of this.#open) response.end();
  }
}
