/** What pages and the service worker tell each other: the original note's two messages, and what they lacked. */

/** Page to worker: refresh this, if it is time. */
export interface ScheduleTokenRefresh {
  readonly type: 'SCHEDULE_TOKEN_REFRESH';
  /** Absent in cookie mode: it is in the session's cookie. */
  readonly refreshToken?: string | undefined;
  /** See TokenPair. */
  readonly shared?: boolean | undefined;
  /** When the access token expires, by this computer's clock, in milliseconds since the epoch. */
  readonly expirationTime: number;
  /** How long before that it is to be refreshed; two minutes if absent. */
  readonly leadTime?: number;
  /** After that it is left alone, by the same clock: the session is idle. */
  readonly notAfter?: number | undefined;
  /** Where to; `../refresh/`, as seen from the worker's script, if absent. */
  readonly refreshUrl?: string;
  /** Of the lock and the ledger; `carelink-tokens:` and the path of `refreshUrl` if absent. */
  readonly name?: string;
  readonly session?: string;
  readonly generation?: number;
}

/** Worker to every page of the origin. */
export interface TokenRefreshed {
  readonly type: 'TOKEN_REFRESHED';
  readonly tokens: {
    readonly access: string;
    readonly refresh?: string | undefined;
    readonly shared?: boolean | undefined;
    /** See Session. */
    readonly endsMs?: number | undefined;
  };
  readonly session: string;
  /** The generation that these tokens are. */
  readonly generation: number;
  readonly skewMs: number;
}
