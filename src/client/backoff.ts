const FIRST_MS = 250;
const MOST_MS = 8_000;

/**
 * How long to rest before the next try: doubling, and half of it drawn, so that the browsers of a whole ward that
 * lost one server do not come back in step. Never sooner than the server asked for, and not all of them just then.
 */
export function backoffMs(attempt: number, retryAfterMs: number): number {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** attempt);
  return retryAfterMs > 0
    ? retryAfterMs + Math.max(most, retryAfterMs) * Math.random()
    : (most + most * Math.random()) / 2;
}
