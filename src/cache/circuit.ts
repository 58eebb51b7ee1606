/** After a failure nobody asks for this long, jittered, doubling up to the bound: back to normal within 5 s of a return. */
const REST_FIRST_MS = 100;
const REST_MAX_MS = 2_000;

/** Keeps requests from waiting, one after another, for a service that is known not to answer. */
export class Circuit {
  #failuresInARow = 0;
  #restUntilMs = 0;
  #probing = false;
  readonly #monotonicMs: () => number;
  readonly #random: () => number;

  constructor(monotonicMs: () => number, random: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#random = random;
  }

  /** Whether it may be asked now. After a failure only one asks at a time; it must report how it went. */
  admit(): boolean {
    if (this.#failuresInARow === 0) return true;
    if (this.#probing || this.#monotonicMs() < this.#restUntilMs) return false;
    this.#probing = true;
    return true;
  }

  /** Returns whether it was down until now. */
  succeeded(): boolean {
    const wasDown = this.#failuresInARow > 0;
    this.#failuresInARow = 0;
    this.#probing = false;
    return wasDown;
  }

  /** Returns whether it was up until now. */
  failed(): boolean {
    const wasUp = this.#failuresInARow === 0;
    this.#probing = false;
    // Requests that were out together fail together: they are one failure, not many.
    if (wasUp || this.#monotonicMs() >= this.#restUntilMs) {
      const restMs = Math.min(REST_MAX_MS, REST_FIRST_MS * 2 ** Math.min(this.#failuresInARow, 10));
      this.#restUntilMs = this.#monotonicMs() + restMs * (0.5 + this.#random() / 2);
      this.#failuresInARow++;
    }
    return wasUp;
  }
}
