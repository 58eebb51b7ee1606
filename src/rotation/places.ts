import { StoreUnavailableError } from './ports.js';

interface Waiting {
  readonly enter: () => void;
  readonly timer: NodeJS.Timeout | undefined;
}

/** So many may work at the same time; who comes later waits, in order, and not past a deadline. */
export class Places {
  readonly #monotonicMs: () => number;
  #free: number;
  readonly #waiting = new Set<Waiting>();

  constructor(count: number, monotonicMs: () => number) {
    this.#free = count;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * Resolves with what gives the place back; call it once.
   *
   * @throws StoreUnavailableError when the deadline passes first
   */
  async take(deadlineMs: number): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await this.#wait(deadlineMs);
    return () => {
      const [next] = this.#waiting;
      if (next === undefined) this.#free++;
      else next.enter();
    };
  }

  #wait(deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(waiting.timer);
        this.#waiting.delete(waiting);
      };
      const giveUp = (): void => {
        leave();
        reject(new StoreUnavailableError('no place was free before the deadline'));
      };
      const waiting: Waiting = {
        enter: () => {
          leave();
          resolve();
        },
        timer: Number.isFinite(deadlineMs)
          ? setTimeout(giveUp, Math.max(0, deadlineMs - this.#monotonicMs()))
          : undefined,
      };
      this.#waiting.add(waiting);
    });
  }
}
