import type { TokenEvents } from './events.js';
import type { TokenPair, TokenSnapshot } from './options.js';

/** What a TokenManager has. */
export interface Members {
  /** Fulfilled once it is known whether a reloaded or new tab has a session; after 5 s at the latest, still `restoring`. Never rejects. */
  readonly ready: Promise<void>;

  /** The current access token, perhaps expired; undefined where nobody is signed in. */
  readonly getAccessToken: () => string | undefined;

  /** Whether a token is of no more use, by the server's clock. The current one if none is given. */
  readonly isTokenExpired: (token?: string) => boolean;

  /**
   * `fetch` as the signed-in user. Waits for a refresh where one is due; repeats once after a 401. It ends with the session it was
   * begun in: with SIGNED_OUT, the body of its answer too.
   *
   * @throws TokenError; AbortError where the caller's signal aborts, which nobody else notices
   */
  readonly authenticatedFetch: (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;

  /** Refreshes now, or joins the refresh that is under way. Resolves to the new access token. */
  readonly refreshAccessToken: () => Promise<string>;

  /**
   * Begins a session with the tokens of a log-in. One that was here before is logged out first. In cookie mode the
   * refresh token is spent at once, and its successor is in a cookie. A session of another tab ends, there as `elsewhere`.
   *
   * @throws TypeError where one of the tokens is missing; TokenError in cookie mode
   */
  readonly setTokens: (tokens: TokenPair) => Promise<void>;

  /**
   * Ends the session here and in all tabs, at once, and tells the server: the request is on its way when this
   * returns. Resolves to whether the server knows of this and of all earlier log-outs. False where it could not be
   * told: it will be, at the next chance.
   */
  readonly logout: () => Promise<boolean>;

  /** Calls `listener` on each such event, until the function that is returned is called. */
  readonly on: <Name extends keyof TokenEvents>(
    name: Name,
    listener: (detail: TokenEvents[Name]) => void,
  ) => () => void;

  /** With getSnapshot: what React's useSyncExternalStore and its like take. */
  readonly subscribe: (listener: () => void) => () => void;

  readonly getSnapshot: () => TokenSnapshot;

  /** Lets go of everything; who waits is told. The session itself goes on in other tabs, and after a reload. */
  readonly dispose: () => void;
}
