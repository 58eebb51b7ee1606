import type { Chain } from './chain.js';
import { StoreUnavailableError } from './ports.js';

/**
 * Ids computed before others have their turn: 0.1 ms, and where others take long, a quarter of their time, 1 ms at most.
 * With less a busy server would never come to the end of a family.
 */
const TURN = 128;
const LONGEST_TURN = 1_024;
const IDS_A_MS = 1_000;
const SHARE = 1 / 4;

/** The time is up and the end isn't found. */
export class GivenUp extends Error {}

/** The time that a walk has, and what it does with it: it asks the database, and computes ids in turns. */
export class WalkTime {
  readonly #giveUpMs: number;
  readonly #monotonicMs: () => number;

  constructor({ giveUpMs, monotonicMs }: { readonly giveUpMs: number; readonly monotonicMs: () => number }) {
    this.#giveUpMs = giveUpMs;
    this.#monotonicMs = monotonicMs;
  }

  /** @throws GivenUp, StoreUnavailableError */
  async ask<T>(question: (deadlineMs: number) => Promise<T>): Promise<T> {
    this.#mayGoOn();
    try {
      return await question(this.#giveUpMs);
    } catch (error) {
      if (error instanceof StoreUnavailableError) this.#mayGoOn();
      throw error;
    }
  }

  /**
   * Computes the ids after one until `stop` says so, that one included; all else has its turn meanwhile.
   *
   * @throws GivenUp
   */
  async compute(
    chain: Chain,
    from: string,
    count: number,
    keyIndex: number,
    stop: (jti: string) => boolean,
  ): Promise<string[]> {
    const way: string[] = [];
    for (let at = from, turn = TURN; way.length < count;) {
      this.#mayGoOn();
      for (const jti of chain.lineOf(at, Math.min(turn, count - way.length), keyIndex)) {
        way.push(jti);
        if (stop(jti)) return way;
        at = jti;
      }
      const beganMs = this.#monotonicMs();
      await new Promise((resolve) => setImmediate(resolve));
      const share = Math.round((this.#monotonicMs() - beganMs) * IDS_A_MS * SHARE);
      turn = Math.min(LONGEST_TURN, Math.max(TURN, share));
    }
    return way;
  }

  #mayGoOn(): void {
    if (this.#monotonicMs() >= this.#giveUpMs) throw new GivenUp();
  }
}
