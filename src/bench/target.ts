import { Pool, type Dispatcher } from 'undici';

/** What came of one request. `kind` is the label of errors: an HTTP status, or a code of the connection. */
export type Answer =
  { readonly ok: true; readonly next: string } | { readonly ok: false; readonly kind: string };

export interface Target {
  /** Sends one refresh and calls back exactly once. Never throws. */
  refresh(token: string, done: (answer: Answer) => void): void;
  close(): Promise<void>;
}

/** A request that hangs is an error after this; the server's own bound is 5 s. */
const TIMEOUT_MS = 30_000;

/** @param connections at most; a request more waits for one, and its time counts */
export function openTarget(refreshUrl: URL, connections: number): Target {
  const pool = new Pool(refreshUrl.origin, {
    connections,
    pipelining: 1,
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
    keepAliveTimeout: 60_000,
  });
  const path = refreshUrl.pathname + refreshUrl.search;
  const headers = ['content-type', 'application/json'];
  return {
    refresh(token, done) {
      // A compact JWT is base64url and dots: nothing to escape.
      const body = `{"refresh":"${token}"}`;
      pool.dispatch({ path, method: 'POST', headers, body }, new Handler(token, done));
    },
    close: () => pool.destroy(),
  };
}

/** undici's lowest interface: a promise and a stream a request would cost a fifth of the rate. */
class Handler implements Dispatcher.DispatchHandler {
  readonly #token: string;
  readonly #done: (answer: Answer) => void;
  #status = 0;
  #body = '';

  constructor(token: string, done: (answer: Answer) => void) {
    this.#token = token;
    this.#done = done;
  }

  onRequestStart(): void {
    // Nothing to keep: it is never aborted.
  }

  onResponseStart(_: unknown, status: number): void {
    this.#status = status;
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    this.#body += chunk.toString('latin1');
  }

  onResponseEnd(): void {
    if (this.#status !== 200) this.#done({ ok: false, kind: `HTTP ${this.#status}` });
    else this.#done(successor(this.#body, this.#token));
  }

  onResponseError(_: unknown, error: Error): void {
    const { code } = error as NodeJS.ErrnoException;
    this.#done({ ok: false, kind: code ?? error.name });
  }
}

/** Without rotation the endpoint answers with an access token alone: the same refresh token goes on. */
function successor(body: string, token: string): Answer {
  try {
    const { refresh, access } = JSON.parse(body) as { refresh?: unknown; access?: unknown };
    if (typeof refresh === 'string') return { ok: true, next: refresh };
    if (typeof access === 'string') return { ok: true, next: token };
  } catch {
    // Told below.
  }
  return { ok: false, kind: 'no token in a 200' };
}
