import { Client, Pool } from 'undici';
import { NO_TOKEN } from './answer-words.js';

/**
 * What came of one request. `kind` is the label of errors: an HTTP status, or a code of the connection. `location`: where
 * a redirect leads.
 */
export type Answer =
  | { readonly ok: true; readonly next: string }
  | { readonly ok: false; readonly kind: string; readonly location?: string };

export interface TargetOptions {
  /** Says that a new refresh token is kept. */
  readonly accepts: boolean;
  /** More headers, name and value in turn. */
  readonly headers: readonly string[];
  /** Whatever certificate the server has is taken. */
  readonly insecure: boolean;
}

export interface Target {
  /**
   * Sends one refresh and calls back exactly once. Never throws.
   *
   * @param lane which connection; a session has its own as long as there are enough of them. A copy of a refresh that
   * is in flight goes on a connection of its own (`undefined`).
   */
  refresh(token: string, lane: number | undefined, done: (answer: Answer) => void): void;
  close(): Promise<void>;
}

/** A request that hangs is an error after this; the server's own bound is 5 s. */
const TIMEOUT_MS = 30_000;

const HEADERS = ['content-type', 'application/json'];
const ACCEPTING = ['x-carelink-rotation', 'accepted'];

const PLAIN: TargetOptions = { accepts: false, headers: [], insecure: false };

/** @param connections at most; a request more waits for one, and its time counts */
export function openTarget(refreshUrl: URL, connections: number, more: TargetOptions = PLAIN): Target {
  const headers = [...HEADERS, ...(more.accepts ? ACCEPTING : []), ...more.headers];
  const { origin } = refreshUrl;
  const options = {
    pipelining: 1,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    keepAliveTimeout: 60_000,
    ...(more.insecure ? { connect: { rejectUnauthorized: false } } : {}),
  };
  // Not a pool: it looks for a free connection among all of them, once a request.
  const clients: (Client | undefined)[] = new Array<undefined>(connections).fill(undefined);
  const copies = new Pool(origin, { ...options, connections });
  const path = refreshUrl.pathname + refreshUrl.search;
  return {
    refresh(token, lane, done) {
      const at = lane === undefined ? undefined : lane % connections;
      const dispatcher = at === undefined ? copies : (clients[at] ??= new Client(origin, options));
      // A compact JWT is base64url and dots: nothing to escape.
      const body = `{"refresh":"${token}"}`;
      dispatcher.dispatch({ path, method: 'POST', headers, body }, new Handler(token, done));
    },
    async close() {
      await copies.destroy();
      for (const client of clients) await client?.destroy();
    },
  };
}

/**
 * undici's lowest interface, and of its two forms the older one: a promise and a stream a request, or an object of
 * headers a response, would cost a fifth of the rate each.
 */
class Handler {
  readonly #token: string;
  readonly #done: (answer: Answer) => void;
  #status = 0;
  #body = '';
  #location: string | undefined;

  constructor(token: string, done: (answer: Answer) => void) {
    this.#token = token;
    this.#done = done;
  }

  onConnect(): void {
    // Nothing to keep: it is never aborted.
  }

  onHeaders(status: number, headers: readonly Buffer[]): boolean {
    this.#status = status;
    if (status >= 300 && status < 400) this.#location = headerOf(headers, 'location');
    return true;
  }

  onData(chunk: Buffer): boolean {
    this.#body += chunk.toString('latin1');
    return true;
  }

  onComplete(): void {
    if (this.#status !== 200) this.#done(refusal(this.#status, this.#location));
    else this.#done(successor(this.#body, this.#token));
  }

  onError(error: Error): void {
    const { code } = error as NodeJS.ErrnoException;
    this.#done({ ok: false, kind: code ?? error.name });
  }
}

function refusal(status: number, location: string | undefined): Answer {
  return { ok: false, kind: `HTTP ${status}`, ...(location === undefined ? {} : { location }) };
}

/** @param headers names and values in turn, as they came */
function headerOf(headers: readonly Buffer[], name: string): string | undefined {
  const at = headers.findIndex((text, n) => n % 2 === 0 && text.toString('latin1').toLowerCase() === name);
  return at < 0 ? undefined : headers[at + 1]?.toString('latin1');
}

const FIELD = '"refresh":"';

/** Without rotation the endpoint answers with an access token alone: the same refresh token goes on. */
function successor(body: string, token: string): Answer {
  // A token has nothing to unescape: parsing the rest would be for nothing.
  const at = body.indexOf(FIELD) + FIELD.length;
  const end = at < FIELD.length ? -1 : body.indexOf('"', at);
  if (end > at) return { ok: true, next: body.slice(at, end) };
  try {
    const { refresh, access } = JSON.parse(body) as { refresh?: unknown; access?: unknown };
    if (typeof refresh === 'string') return { ok: true, next: refresh };
    if (typeof access === 'string') return { ok: true, next: token };
  } catch {
    // Told below.
  }
  return { ok: false, kind: NO_TOKEN };
}
