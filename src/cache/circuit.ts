/** After a failure nobody asks for this long, jittered, doubling up to the bound: back to normal within 5 s of a return. */
const REST_FIRST_MS = 100;
const REST_MAX_MS = 2_000;

/**
 * Keeps requests from waiting, one after another, for a service that is known not to answer.
 *
 * One answer that is late doesn't make it known. Who isn't let through goes on without Redis, and other instances, for
 * whom it answers, don't hear of what they claim: on a busy machine, where one of them is held up a tenth of a second now
 * and then, that made tokens answered twice. Those that asked all the same have offered their claim, which is safe.
 */
export class Circuit {
  /** When the first failure was told; undefined: none since the last success. */
  #failedAtMs: number | undefined;
  #failuresInARow = 0;
  #restUntilMs = 0;
  #probing = false;
  readonly #monotonicMs: () => number;
  readonly #random: () => number;

  constructor(monotonicMs: () => number, random: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#random = random;
  }

  /** Whether it may be asked now, and the time, to report a failure with. After failures only one asks at a time. */
  admit(): number | undefined {
    const nowMs = this.#monotonicMs();
    if (this.#failuresInARow === 0) return nowMs;
    if (this.#probing || nowMs < this.#restUntilMs) return undefined;
    this.#probing = true;
    return nowMs;
  }

  /**
   * It was read, or said no. One that is full or read-only does so, too, and is of no use: what is known of it stays as
   * it was until something is written.
   */
  answered(): void {
    this.#probing = false;
  }

  /** Something was written. Returns whether it was down until now. */
  succeeded(): boolean {
    const wasDown = this.#failuresInARow > 0;
    this.#failedAtMs = undefined;
    this.#failuresInARow = 0;
    this.#probing = false;
    return wasDown;
  }

  /** Returns whether it is down since now. */
  failed(askedAtMs: number): boolean {
    const nowMs = this.#monotonicMs();
    const wasUp = this.#failuresInARow === 0;
    this.#probing = false;
    // Requests that were out together fail together: they are one failure, not many.
    if (wasUp && (this.#failedAtMs === undefined || askedAtMs < this.#failedAtMs)) {
      this.#failedAtMs ??= nowMs;
      return false;
    }
    if (wasUp || nowMs >= this.#restUntilMs) {
      const restMs = Math.min(REST_MAX_MS, REST_FIRST_MS * 2 ** Math.min(this.#failuresInARow, 10));
      this.#restUntilMs = nowMs + restMs * (0.5 + this.#random() / 2);
      this.#failuresInARow++;
    }
    return wasUp;
  }
}
