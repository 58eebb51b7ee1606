/**
 * How requests are counted. Both unions are closed: they become label values, and a label a client can write
 * into is an unbounded set of time series.
 */
export type RouteName = 'refresh' | 'verify' | 'blacklist' | 'sliding_refresh';

export const REQUEST_OUTCOMES = [
  'rotated',
  'replayed',
  'reissued',
  'in_progress',
  'throttled',
  'too_large',
  'valid',
  'logged_out',
  'slid',
  'invalid',
  'expired',
  'malformed',
  'blacklisted',
  'inactive',
  'password_changed',
  'bad_request',
  'unavailable',
  'error',
] as const;
export type RequestOutcome = (typeof REQUEST_OUTCOMES)[number];

export interface RequestObserver {
  /**
   * Called once a request that reached a route, after its response was handed to the socket.
   *
   * `durationUs` runs from the last byte of the request read to the response written: waiting for a group
   * commit is in it, a client that sends slowly is not. Positional, because it is called on every request.
   *
   * @param traceId of a request that is traced and sampled
   */
  onRequest(route: RouteName, outcome: RequestOutcome, durationUs: number, traceId?: string): void;
}

/** What a server of the public port tells besides. */
export interface HttpObserver extends RequestObserver {
  /**
   * Called once a refresh was refused with 401, and only then.
   *
   * @param client its address, as far as it is known
   */
  onRefused(outcome: RequestOutcome, token: string, client: string): void;
}
