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
    const response = await this.#post(this.#refreshUrl, credentials);
    if (response?.status !== 200) return refusal(response);
    try {
      const { access, refresh } = (await response.json()) as Record<string, unknown>;
      if (typeof access === 'string') {
        return {
          kind: 'pair',
          access,
          // A server without rotation answers with the access token alone: the refresh token stays.
          refresh: this.#cookie ? undefined : typeof refresh === 'string' ? refresh : credentials.refresh,
          skewMs: skewOf(response.headers.get('date'), sentMs, Date.now()),
          endsMs: Date.parse(response.headers.get('x-session-ends') ?? '') || undefined,
        };
      }
    } catch {
      // Cut off, or the page of a captive portal.
    }
    return refusal();
  }

  /** Logs out. Answers whether the server knows. */
  async blacklist(credentials: Credentials): Promise<boolean> {
    const url = new URL('../blacklist/', new URL(this.#refreshUrl, location.href));
    const response = await this.#post(url, credentials);
    return !!response?.ok || refusal(response).kind === 'refused';
  }

  #post(url: string | URL, { id, refresh, shared }: Credentials): Promise<Response | undefined> {
    const cut = new AbortController();
    const failed = (): undefined => {
      cut.abort();
      return undefined;
    };
    const answered = fetch(url, {
      method: 'POST',
      headers: {
        // A new refresh token is kept: a server with --rotation offered rotates for whoever says so.
        ...(!shared && { 'X-Carelink-Rotation': 'accepted' }),
        ...(this.#cookie && { [SESSION_HEADER]: id }),
        ...(refresh && { 'Content-Type': 'application/json' }),
      },
      body: refresh ? JSON.stringify({ refresh }) : null,
      // A tab that is closed in mid-refresh: the new cookie still arrives.
      keepalive: true,
      // A refresh token is sent where it was meant to go, or nowhere.
      redirect: 'error',
      signal: cut.signal,
    })
      // Read within the bound, too.
      .then(async (response) => new Response((await response.text()) || null, response));
    return bounded(answered.catch(failed), REQUEST_MS, failed);
  }
}

function refusal(response?: Response): Answer {
  const status = response?.status ?? 503;
  if ([400, 401].includes(status)) return { kind: 'refused' };
  if (status < 500 && ![408, 429].includes(status)) return { kind: 'broken', status };
  // A date, or a proxy's hour, is no reason to wait beyond any caller's patience.
  return { kind: 'again', afterMs: Math.min(Number(response?.headers.get('retry-after')), 10) * 1000 || 0 };
}
