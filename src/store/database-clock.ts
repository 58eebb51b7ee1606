import type { DatabaseClock } from '../rotation/ports.js';

/**
 * Every reading of the database's clock was made before its answer arrived, so reading + time since the answer
 * is a lower bound of that clock, whatever the network took (rule 5). It was made after the statement was sent, so
 * reading + time since then is an upper bound. Between the two what was known stays: an answer that was long on its
 * way (a slow commit, a process that was stopped) doesn't set the clock back, a database whose clock was set does.
 *
 * Two milliseconds more are taken off: the embedded PostgreSQL's clock counts milliseconds, and two hosts'
 * oscillators drift between readings.
 */
const MARGIN_US = 2_000;

/** The database's clock, seen from here: at most a little behind it, not ahead of it. */
export class ObservedDatabaseClock implements DatabaseClock {
  readonly #monotonicMs: () => number;
  /** What to add to the monotonic clock, in microseconds. */
  #offsetUs: number;
  #observed = false;

  /** @param wallClockMs stands in until the first reading */
  constructor(monotonicMs: () => number, wallClockMs: number) {
    this.#monotonicMs = monotonicMs;
    this.#offsetUs = wallClockMs * 1000 - monotonicMs() * 1000;
  }

  nowUs(): number {
    return Math.floor(this.#offsetUs + this.#monotonicMs() * 1000) - MARGIN_US;
  }

  /**
   * Takes a reading of `clock_timestamp()` whose answer has just arrived.
   *
   * @param sentAtMs when its statement was sent, on the monotonic clock
   */
  observe(databaseUs: number, sentAtMs: number): void {
    const least = databaseUs - this.#monotonicMs() * 1000;
    const most = databaseUs - sentAtMs * 1000;
    // The wall clock is no bound, only a stand-in.
    this.#offsetUs = this.#observed ? Math.min(Math.max(this.#offsetUs, least), most) : least;
    this.#observed = true;
  }
}
