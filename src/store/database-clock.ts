import type { DatabaseClock } from '../rotation/ports.js';

/**
 * Every reading of the database's clock was made before its answer arrived, so reading + time since the answer
 * is a lower bound of that clock, whatever the network took (rule 5). Two milliseconds more are taken off: the
 * embedded PostgreSQL's clock counts milliseconds, and two hosts' oscillators drift between readings.
 */
const MARGIN_US = 2_000;

/** The database's clock, seen from here: at most a little behind it, not ahead of it. */
export class ObservedDatabaseClock implements DatabaseClock {
  readonly #monotonicMs: () => number;
  /** What to add to the monotonic clock, in microseconds. */
  #offsetUs: number;

  /** @param wallClockMs stands in until the first reading */
  constructor(monotonicMs: () => number, wallClockMs: number) {
    this.#monotonicMs = monotonicMs;
    this.#offsetUs = wallClockMs * 1000 - monotonicMs() * 1000;
  }

  nowUs(): number {
    return Math.floor(this.#offsetUs + this.#monotonicMs() * 1000) - MARGIN_US;
  }

  /** Takes a reading of `clock_timestamp()` whose answer has just arrived. */
  observe(databaseUs: number): void {
    this.#offsetUs = databaseUs - this.#monotonicMs() * 1000;
  }
}
