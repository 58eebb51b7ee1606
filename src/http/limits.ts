/** What one client may ask of a server before it is cut off. */
export interface Limits {
  readonly headerBytes: number;
  readonly bodyBytes: number;
  /** From the first byte (or the connection) to the end of the headers. */
  readonly headersTimeoutMs: number;
  /** From the first byte to the end of the body. */
  readonly requestTimeoutMs: number;
  /** How long a connection may wait for its next request. */
  readonly keepAliveTimeoutMs: number;
  /** A connection on which nothing moves for this long is closed: a client that never reads its answers. */
  readonly idleTimeoutMs: number;
  readonly maxConnections: number;
}

export const DEFAULT_LIMITS: Limits = {
  headerBytes: 16 * 1024,
  // A refresh token is about 300 bytes; with many claims a few KiB.
  bodyBytes: 64 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 15_000,
  // Longer than the 60 s that load balancers keep an idle connection by default: the side that closes first must
  // be theirs, or a request sent at that moment is lost.
  keepAliveTimeoutMs: 65_000,
  idleTimeoutMs: 120_000,
  maxConnections: 10_000,
};
