/** A timer is no more exact than a millisecond or two, and a group needs some time to gather. */
const SHORTEST_MS = 5;
/** A commit that was slow once mustn't be felt for longer. */
const LONGEST_MS = 20;

/**
 * How long work that can wait sends nothing more after a statement: as long as that took. So it has half of a connection's
 * time, however much of it there is, and refreshes have the rest; what comes meanwhile shares the next statement.
 */
export function fairPauseMs(tookMs: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, tookMs));
}
