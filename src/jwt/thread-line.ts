/** libuv's, where `UV_THREADPOOL_SIZE` says nothing else. With more of them the line only seems a few longer. */
const THREADS = 4;

/** Long enough for some signatures, short enough to follow a burst. */
const WINDOW_MS = 100;

/** What each window leaves of the pace before it. */
const KEPT = 0.5;

/**
 * The line before the threads that compute signatures of RS*, PS*, ES* and EdDSA: libuv's, in the order they were asked for.
 * One of an RSA key with 4,096 bits takes milliseconds of a core. The pace is measured only while all threads are at work,
 * or it would be that of the load.
 */
export class ThreadLine {
  readonly #monotonicMs: () => number;
  #inside = 0;
  #ended = 0;
  /** Since when all threads are at work without a break. */
  #sinceMs = 0;
  /** 0: not known. */
  #msEach = 0;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** How long one that is asked for now would wait for those before it. */
  waitMs(): number {
    return Math.max(0, this.#inside - THREADS) * this.#msEach;
  }

  async through<T>(operation: Promise<T>): Promise<T> {
    this.#inside++;
    if (this.#inside === THREADS) this.#begin();
    try {
      return await operation;
    } finally {
      this.#leaves();
    }
  }

  #leaves(): void {
    this.#ended++;
    const tookMs = this.#monotonicMs() - this.#sinceMs;
    if (this.#inside >= THREADS && tookMs >= WINDOW_MS) {
      const lastly = tookMs / this.#ended;
      this.#msEach = this.#msEach === 0 ? lastly : KEPT * this.#msEach + (1 - KEPT) * lastly;
      this.#begin();
    }
    this.#inside--;
  }

  #begin(): void {
    this.#sinceMs = this.#monotonicMs();
    this.#ended = 0;
  }
}
