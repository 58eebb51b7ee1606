/** A minute of seconds, each with the refreshes that came in it. */
const SECONDS = 60;

interface Second {
  readonly at: number;
  readonly perSecond: number;
}

/**
 * The busiest second of the last minute against its mean: clients that refresh in step show here, where a mean shows
 * nothing. Beside a handful of refreshes chance does more than that, so small numbers say little.
 */
export class Minute {
  #seconds: Second[] = [];

  /** @param elapsedSeconds since the one before: about one */
  add(atSeconds: number, count: number, elapsedSeconds: number): void {
    // A server whose clock was set back: what was counted is of another time.
    if ((this.#seconds.at(-1)?.at ?? -Infinity) >= atSeconds) this.clear();
    this.#seconds.push({ at: atSeconds, perSecond: count / elapsedSeconds });
    this.#seconds = this.#seconds.filter(({ at }) => at > atSeconds - SECONDS);
  }

  clear(): void {
    this.#seconds = [];
  }

  /** Undefined while nothing came. */
  peak(): { readonly perSecond: number; readonly timesMean: number } | undefined {
    const rates = this.#seconds.map(({ perSecond }) => perSecond);
    const sum = rates.reduce((all, rate) => all + rate, 0);
    if (sum === 0) return undefined;
    const perSecond = Math.max(...rates);
    return { perSecond, timesMean: (perSecond * rates.length) / sum };
  }
}
