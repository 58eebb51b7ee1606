import { manage } from './manage.js';
import type { Members } from './members.js';
import type { TokenManagerOptions } from './options.js';

export { TokenError, type TokenErrorCode } from './errors.js';
export type { SignedOutWhere, TokenEvents } from './events.js';
export type { IdleClock, IdleWarning } from './idle-clock.js';
export type { ScheduleTokenRefresh, TokenRefreshed } from './messages.js';
export type { TokenManagerOptions, TokenPair, TokenSnapshot } from './options.js';
export type { StorageMode } from './storage.js';
export type { AskWorker, WorkerLink } from './worker.js';

/**
 * The tokens of one log-in, shared by all tabs of an origin: refreshed once, whatever number of requests, tabs and
 * workers ask at once. Make one a page. On a server (no document) it is inert: signed out, and nothing runs. All of its
 * members are bound.
 */
export class TokenManager implements Members {
  declare readonly ready: Members['ready'];
  declare readonly getAccessToken: Members['getAccessToken'];
  declare readonly isTokenExpired: Members['isTokenExpired'];
  declare readonly authenticatedFetch: Members['authenticatedFetch'];
  declare readonly refreshAccessToken: Members['refreshAccessToken'];
  declare readonly setTokens: Members['setTokens'];
  declare readonly logout: Members['logout'];
  declare readonly on: Members['on'];
  declare readonly subscribe: Members['subscribe'];
  declare readonly getSnapshot: Members['getSnapshot'];
  declare readonly dispose: Members['dispose'];

  constructor(options: TokenManagerOptions = {}) {
    Object.assign(this, manage(options));
  }
}
