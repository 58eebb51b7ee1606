import type { Readable } from 'node:stream';
import type { TokenRequest } from '../http/exchange.js';

/** The body of a request: what is sent on, and a copy where one is kept. */
export interface Body {
  readonly sent: Buffer | Readable | AsyncIterable<Buffer> | null;
  /** What was sent, once all of it was; undefined: it was too long. */
  readonly kept?: () => Buffer | undefined;
}

const EMPTY = Buffer.alloc(0);

/**
 * Hands the body on in the framing it came in: one with a length keeps it, a chunked one stays chunked, for Django reads
 * nothing where no length is said.
 *
 * @param mostKept how much of it is kept at most; 0: nothing
 * @param go called once the body can be sent: at once, or when a short one has come whole
 */
export function bodyOf(
  request: TokenRequest,
  mostKept: number,
  go: (body: Body, asked: Buffer | undefined) => void,
): void {
  const { headers } = request;
  const chunked = headers['transfer-encoding'] !== undefined;
  const length = Number(headers['content-length'] ?? 0);
  if (!chunked && length === 0) {
    go({ sent: null }, EMPTY);
    return;
  }
  if (chunked) {
    const copy = mostKept === 0 ? undefined : new Copy(mostKept);
    // undici gives a stream that has come whole a length.
    go({ sent: passed(request, copy), kept: () => copy?.whole }, undefined);
    return;
  }
  if (length > mostKept) {
    go({ sent: request }, undefined);
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => void chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
    go({ sent: body }, body);
  });
}

class Copy {
  readonly #most: number;
  #chunks: Buffer[] | undefined = [];
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  take(chunk: Buffer): void {
    this.#size += chunk.length;
    if (this.#size > this.#most) this.#chunks = undefined;
    else this.#chunks?.push(chunk);
  }

  get whole(): Buffer | undefined {
    return this.#chunks && Buffer.concat(this.#chunks);
  }
}

async function* passed(request: TokenRequest, copy: Copy | undefined): AsyncGenerator<Buffer> {
  for await (const chunk of request as AsyncIterable<Buffer>) {
    copy?.take(chunk);
    yield chunk;
  }
}
