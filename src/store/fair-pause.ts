/** A timer is no more exact than a millisecond or two, and a group needs some time to gather. */
const SHORTEST_MS = 15;
/** A commit that was slow once mustn't be felt for longer. */
const LONGEST_MS = 60;

/**
 * How long work that can wait sends nothing more after a statement: three times as long as that took. So it has a quarter of
 * a connection's time, however much of it there is, and refreshes have the rest; what comes meanwhile shares the next
 * statement. Measured in docs/decisions/0031.
 */
export function fairPauseMs(tookMs: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, 3 * tookMs));
}
