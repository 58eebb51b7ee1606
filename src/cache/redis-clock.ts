import { PARTITIONS } from './partition.js';

/**
 * The clock of the Redis that keeps each partition, as far as it is known: never ahead of it.
 *
 * A script whose client has given up waiting may still run, seconds later, where Redis was paused. One that calls a
 * token active must not: the token may have been spent since. So such scripts carry the time at which they'll have been
 * given up, on Redis' own clock, and do nothing after it (rule 13).
 */
export class RedisClock {
  /** What to add to the monotonic clock (us); NaN: no reading yet. */
  readonly #offsetUs = new Float64Array(PARTITIONS).fill(NaN);
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Takes a reading that has just arrived; its script was sent at `sentAtMs`. */
  observe(partition: number, redisUs: unknown, sentAtMs: number): void {
    if (typeof redisUs !== 'number') return;
    const least = redisUs - this.#monotonicMs() * 1000;
    const most = redisUs - sentAtMs * 1000;
    const known = this.#offsetUs[partition] ?? NaN;
    this.#offsetUs[partition] = Number.isNaN(known) ? least : Math.min(Math.max(known, least), most);
  }

  /** The time in so many milliseconds, at most a little before it; 0 where nothing is known: it has passed. */
  after(partition: number, ms: number): number {
    const offsetUs = this.#offsetUs[partition] ?? NaN;
    return Number.isNaN(offsetUs) ? 0 : Math.floor(offsetUs + (this.#monotonicMs() + ms) * 1000);
  }
}
