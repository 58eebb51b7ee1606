/** So many in a period, such as 30 a minute: all at once, or one after the other. */
export interface Rate {
  readonly count: number;
  readonly periodMs: number;
}

/** Keys that are remembered: about 10 MB. Who was longest without a charge is forgotten first, and begins anew. */
const REMEMBERED = 100_000;

/**
 * Holds each key to a rate, by the generic cell rate algorithm (ITU-T I.371): one number a key, the time at which all that
 * was charged has been paid back. In this process alone.
 */
export class RateLimit {
  readonly #intervalMs: number;
  readonly #burstMs: number;
  readonly #monotonicMs: () => number;
  /** Least recently charged first. */
  readonly #paidAtMs = new Map<string, number>();

  constructor({ count, periodMs }: Rate, monotonicMs: () => number) {
    this.#intervalMs = periodMs / count;
    this.#burstMs = periodMs - this.#intervalMs;
    this.#monotonicMs = monotonicMs;
  }

  /** After how many milliseconds a key has something left; 0: it has. Charges nothing. */
  waitMs(key: string): number {
    return this.#wait(this.#monotonicMs(), this.#paidAtMs.get(key) ?? 0);
  }

  /** Charges a key, if it has anything left. Returns after how many milliseconds it has; 0: it was charged. */
  charge(key: string): number {
    const nowMs = this.#monotonicMs();
    const paidAtMs = Math.max(this.#paidAtMs.get(key) ?? 0, nowMs);
    const waitMs = this.#wait(nowMs, paidAtMs);
    if (waitMs === 0) this.#remember(key, paidAtMs + this.#intervalMs);
    return waitMs;
  }

  /** Charges a key for what it has got, whether it had anything left or not: debts are paid back, of one more period at most. */
  owe(key: string): void {
    const nowMs = this.#monotonicMs();
    const mostMs = nowMs + 2 * this.#burstMs + 2 * this.#intervalMs;
    const paidAtMs = Math.max(this.#paidAtMs.get(key) ?? 0, nowMs);
    this.#remember(key, Math.min(mostMs, paidAtMs + this.#intervalMs));
  }

  #wait(nowMs: number, paidAtMs: number): number {
    const waitMs = paidAtMs - nowMs - this.#burstMs;
    // A charge of its own must not be found wanting by the last bit of a sum.
    return waitMs > 1e-6 ? waitMs : 0;
  }

  #remember(key: string, paidAtMs: number): void {
    this.#paidAtMs.delete(key);
    this.#paidAtMs.set(key, paidAtMs);
    if (this.#paidAtMs.size <= REMEMBERED) return;
    for (const oldest of this.#paidAtMs.keys()) {
      this.#paidAtMs.delete(oldest);
      return;
    }
  }
}
