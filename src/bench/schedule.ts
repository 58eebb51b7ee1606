import type { Random } from './random.js';

export type Arrivals = 'constant' | 'poisson';

/**
 * When requests are due, in milliseconds from the beginning: all before `durationMs`. Pure: the same random numbers
 * give the same schedule. Constant: one every 1/rate. Poisson: independent arrivals, as of many users who know nothing
 * of each other; the gaps are exponential.
 */
export function* schedule(
  arrivals: Arrivals,
  ratePerSecond: number,
  durationMs: number,
  random: Random,
): Generator<number, void, undefined> {
  const gapMs = 1_000 / ratePerSecond;
  if (arrivals === 'constant') {
    // Multiplied, not added up: errors of rounding would add up, too.
    for (let n = 0; n * gapMs < durationMs; n++) yield n * gapMs;
    return;
  }
  // 1 - random() is never 0, whose logarithm is infinite.
  for (let atMs = -Math.log(1 - random()) * gapMs; atMs < durationMs;) {
    yield atMs;
    atMs -= Math.log(1 - random()) * gapMs;
  }
}
