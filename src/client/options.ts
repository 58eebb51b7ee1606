import type { IdleClock } from './idle-clock.js';
import type { StorageMode } from './storage.js';
import type { WorkerLink } from './worker.js';

export interface TokenManagerOptions {
  /** Where the tokens are kept; see StorageMode. `memory` if not given. */
  readonly storage?: StorageMode;
  /** The refresh endpoint; `/account/token/refresh/` if not given. */
  readonly refreshUrl?: string;
  /** The endpoint that logs out; the neighbour `../blacklist/` of the other one if not given. */
  readonly logoutUrl?: string;
  /** Origins besides the page's own that may be sent the access token, such as `https://api.example`. */
  readonly allowedOrigins?: readonly string[];
  /** `refreshWorker('/url/of/its/script.js')` of `carelink-tokens/client/worker`. None if not given: the page refreshes by itself. */
  readonly serviceWorker?: WorkerLink;
  /** Refreshes before the access token expires, in hidden tabs too. True if not given. */
  readonly background?: boolean;
  /** How long before the session ends `expiring` is told, in ms. 300,000 if not given. */
  readonly expiringMs?: number;
  /** How long the first request waits for others before it refreshes, in ms. 0 if not given: they share it anyway. */
  readonly batchWindowMs?: number;
  /** How many requests may wait for a refresh. 1000 if not given. */
  readonly maxQueue?: number;
  /** How long a request may wait for a refresh, and a refresh may try, in ms. 30,000 if not given. */
  readonly maxWaitMs?: number;
  /** The server's --reuse-grace in ms, 10,000 if not given; it matters only where the cookie mode isn't used. */
  readonly reuseGraceMs?: number;
  /** Logs off where nobody is there any more: `idleLogOff({ after: '15m' })` of `carelink-tokens/client/idle`. Never, if not given. */
  readonly idle?: IdleClock;
  /** The claim that says whose a token is; `user_id` if not given. */
  readonly userClaim?: string;
  /** Sets managers of one origin apart. Those with the same name share their sessions. */
  readonly name?: string;
}

export interface TokenPair {
  readonly access: string;
  readonly refresh: string;
  /**
   * True where a client that keeps its refresh token for good may hold this one as well: an old version of your page, in
   * another tab. A server with `--rotation offered` then leaves it unspent. Of no effect in cookie mode.
   */
  readonly shared?: boolean;
}

/** What a user interface shows. A new object whenever something in it changed, and only then. */
export interface TokenSnapshot {
  readonly status: 'restoring' | 'signedIn' | 'signedOut';
  readonly refreshing: boolean;
  readonly userId: unknown;
  /** By this computer's clock, ms since the epoch. */
  readonly accessExpiresAt: number | undefined;
  /**
   * When the session ends unless a refresh puts it off, by the same clock: the refresh token's end, or that of its
   * session where the server says that it is sooner. In cookie mode it is known where the server has a --session-lifetime.
   */
  readonly sessionEndsAt: number | undefined;
  readonly session: string | undefined;
  readonly generation: number;
}
