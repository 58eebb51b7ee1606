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

/**
 * Sessions of one browser that are kept (cookies/own.ts). People close tabs without logging out, and the headers of a
 * day of that would be too large for any server.
 */
export const MAX_COOKIES = 8;

/** What a browser takes of a cookie, name and attributes included (RFC 6265, 6.1). */
const MAX_COOKIE_BYTES = 4_096;

/** The limits of a server whose tokens have at most so many bytes. */
export function limitsFor(maxTokenBytes: number, inCookies: boolean): Limits {
  const { headerBytes, bodyBytes } = DEFAULT_LIMITS;
  return {
    ...DEFAULT_LIMITS,
    // A form may write each byte as three.
    bodyBytes: Math.max(bodyBytes, 4 * maxTokenBytes),
    headerBytes: inCookies
      ? headerBytes + MAX_COOKIES * Math.min(maxTokenBytes, MAX_COOKIE_BYTES)
      : headerBytes,
  };
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
