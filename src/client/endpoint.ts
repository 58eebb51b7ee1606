import { skewOf } from './clock.js';

/** The header that no form and no foreign page can send: against CSRF, and it names the session's cookie. */
const SESSION_HEADER = 'X-Carelink-Session';
/** The server itself gives up after 5 s by default; a connection that died says nothing at all. */
const REQUEST_MS = 10_000;

/** What a rotation brings; see Session. */
export interface Pair {
  readonly access: string;
  readonly refresh: string | undefined;
  readonly skewMs: number | undefined;
  readonly endsMs: number | undefined;
}

export type Answer =
  | {
      readonly kind: 'pair';
      readonly pair: Pair;
    }
  | Refusal;

export interface Refusal {
  readonly kind:
    /** 400 or 401: the token is of no use, to this request at least. */
    | 'refused'
    /** 429, 503, no answer at all, or one that isn't the server's: the same token is to be sent again. */
    | 'again'
    /** Repeating would not help. */
    | 'broken';
  readonly status: number;
  readonly afterMs: number;
}

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

/** The server's endpoints as a page or a worker sees them. Its promises never reject. */
export interface Endpoint {
  refresh(credentials: Credentials): Promise<Answer>;
  /** Logs out; `pair`: the server knows. */
  blacklist(credentials: Credentials): Promise<Answer['kind']>;
}

export function openEndpoint(refreshUrl: string, cookie: boolean, logoutUrl?: string): Endpoint {
  const post = (url: string | URL, { id, refresh, shared }: Credentials): Promise<Received> =>
    fetch(url, {
      method: 'POST',
      headers: {
        // A new refresh token is kept: a server with --rotation offered rotates for whoever says so.
        ...(!shared && { 'X-Carelink-Rotation': 'accepted' }),
        ...(cookie && { [SESSION_HEADER]: id }),
        ...(refresh && { 'Content-Type': 'application/json' }),
      },
      body: (refresh && JSON.stringify({ refresh })) as string,
      // A tab that is closed meanwhile: the log-out, and the new cookie, still arrive.
      keepalive: true,
      // A refresh token is sent where it was meant to go, or nowhere.
      redirect: 'error',
      // Browsers before 2022 have their own bound only, of some minutes: others who wait for the lock go on without it.
      signal: (AbortSignal as Partial<typeof AbortSignal>).timeout?.(REQUEST_MS) as AbortSignal,
    })
      // Read within the bound, too. What is no JSON was cut off, or is the page of a captive portal.
      .then(async (response): Promise<Received> => [
        response,
        (await response.json().catch(() => undefined)) as Body | undefined,
      ])
      .catch(() => []);

  return {
    async refresh(credentials) {
      const sentMs = Date.now();
      const [response, body] = await post(refreshUrl, credentials);
      // A server without rotation answers with the access token alone: the refresh token stays.
      const { access, refresh = credentials.refresh } = body ?? {};
      if (!response?.ok || !access) return refusal(response, body);
      return {
        kind: 'pair',
        pair: {
          access,
          refresh: cookie ? undefined : refresh,
          skewMs: skewOf(response.headers.get('date'), sentMs, Date.now()),
          endsMs: Date.parse(response.headers.get('x-session-ends') as string) || undefined,
        },
      };
    },
    async blacklist(credentials) {
      const beside = new URL(refreshUrl.replace(/\/?$/, '/'), location.href);
      const [response, body] = await post(logoutUrl ?? new URL('../blacklist/', beside), credentials);
      return response?.ok ? 'pair' : refusal(response, body).kind;
    },
  };
}

function refusal(response?: Response, body?: Body): Refusal {
  const status = response?.status ?? 503;
  const afterMs = Number(response?.headers.get('retry-after')) * 1000 || 0;
  const refused = [400, 401].includes(status);
  // A proxy's own 401 is a page, and says nothing of the token.
  const kind =
    refused && body
      ? 'refused'
      : status < 500 && !refused && ![200, 408, 429].includes(status)
        ? 'broken'
        : 'again';
  // A date, or a proxy's hour, is no reason to wait beyond any caller's patience. Our server's throttle means it.
  return { kind, status, afterMs: body?.code === 'throttled' ? afterMs : Math.min(afterMs, 10_000) };
}
