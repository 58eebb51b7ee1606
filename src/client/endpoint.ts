import { bounded } from './bounded.js';
import { skewOf } from './clock.js';

/** The header that no form and no foreign page can send: against CSRF, and it names the session's cookie. */
const SESSION_HEADER = 'X-Carelink-Session';
/** The server itself gives up after 5 s by default; a connection that died says nothing at all. */
const REQUEST_MS = 10_000;

export type Answer =
  | {
      readonly kind: 'pair';
      readonly access: string;
      readonly refresh: string | undefined;
      readonly skewMs: number | undefined;
      /** See Session. */
      readonly endsMs: number | undefined;
    }
  /** 400 or 401: the token is of no use, to this request at least. */
  | { readonly kind: 'refused' }
  /** 429, 503, no answer at all, or one that isn't the server's: the same token is to be sent again. */
  | { readonly kind: 'again'; readonly afterMs: number }
  /** Repeating would not help. */
  | { readonly kind: 'broken'; readonly status: number };

export interface Credentials {
  readonly id: string;
  /** Undefined: it is in the session's cookie. */
  readonly refresh?: string | undefined;
  /** See Session. */
  readonly shared?: boolean | undefined;
}

/** As much of an answer's body as is asked for. */
interface Body {
  readonly access?: string;
  readonly refresh?: string;
  readonly code?: string;
}

/** Empty: there was no answer. */
type Received = [response?: Response, body?: Body | undefined];

/** The server's endpoints as a page or a worker sees them. Never rejects. */
export class Endpoint {
  readonly #refreshUrl: string;
  readonly #cookie: boolean;

  constructor(refreshUrl: string, cookie: boolean) {
    this.#refreshUrl = refreshUrl;
    this.#cookie = cookie;
  }

  async refresh(credentials: Credentials): Promise<Answer> {
    const sentMs = Date.now();
    const [response, body] = await this.#post(this.#refreshUrl, credentials);
    // A server without rotation answers with the access token alone: the refresh token stays.
    const { access, refresh = credentials.refresh, code } = body ?? {};
    if (!response?.ok || !access) return refusal(response, code);
    return {
      kind: 'pair',
      access,
      refresh: this.#cookie ? undefined : refresh,
      skewMs: skewOf(response.headers.get('date'), sentMs, Date.now()),
      endsMs: Date.parse(response.headers.get('x-session-ends') ?? '') || undefined,
    };
  }

  /** Logs out. Answers whether the server knows. */
  async blacklist(credentials: Credentials): Promise<boolean> {
    const url = new URL('../blacklist/', new URL(this.#refreshUrl, location.href));
    const [response] = await this.#post(url, credentials);
    return !!response?.ok || refusal(response).kind === 'refused';
  }

  #post(url: string | URL, { id, refresh, shared }: Credentials): Promise<Received> {
    const cut = new AbortController();
    const failed = (): Received => {
      cut.abort();
      return [];
    };
    const answered = fetch(url, {
      method: 'POST',
      headers: {
        // A new refresh token is kept: a server with --rotation offered rotates for whoever says so.
        ...(!shared && { 'X-Carelink-Rotation': 'accepted' }),
        ...(this.#cookie && { [SESSION_HEADER]: id }),
        ...(refresh && { 'Content-Type': 'application/json' }),
      },
      body: (refresh && JSON.stringify({ refresh })) as string,
      // A tab that is closed in mid-refresh: the new cookie still arrives.
      keepalive: true,
      // A refresh token is sent where it was meant to go, or nowhere.
      redirect: 'error',
      signal: cut.signal,
    })
      // Read within the bound, too. What is no JSON was cut off, or is the page of a captive portal.
      .then(async (response): Promise<Received> => [
        response,
        (await response.json().catch(() => undefined)) as Body | undefined,
      ]);
    return bounded(answered.catch(failed), REQUEST_MS, failed);
  }
}

function refusal(response?: Response, code?: string): Answer {
  const status = response?.status ?? 503;
  const afterMs = Number(response?.headers.get('retry-after')) * 1000 || 0;
  if ([400, 401].includes(status)) return { kind: 'refused' };
  if (status < 500 && ![200, 408, 429].includes(status)) return { kind: 'broken', status };
  // A date, or a proxy's hour, is no reason to wait beyond any caller's patience. Our server's throttle means it.
  return { kind: 'again', afterMs: code === 'throttled' ? afterMs : Math.min(afterMs, 10_000) };
}
