/** The first restart comes soon, each further one of a row later: something that is down must not be stormed. */
const FIRST_DELAY_MS = 100;
export const LONGEST_DELAY_MS = 5_000;

/** One that has served for as long died of something that may not happen again at once. */
const LIVED_MS = 1_000;

/** Then it isn't bad luck: half a minute of nothing but deaths. */
const MOST_IN_A_ROW = 10;

/** When a worker that died is started again, and when that is given up. */
export class RestartPolicy {
  #inARow = 0;

  /**
   * A worker died.
   *
   * @param servedMs for how long it had been serving; 0: it never did
   * @returns how long to wait before the next is started, or undefined: give up
   */
  died(servedMs: number): number | undefined {
    if (servedMs >= LIVED_MS) this.#inARow = 0;
    this.#inARow++;
    if (this.#inARow > MOST_IN_A_ROW) return undefined;
    return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#inARow - 1));
  }
}
