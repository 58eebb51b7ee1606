import type { Random } from './random.js';

export type Arrivals = 'constant' | 'poisson';

/** A part of a load: the rate goes evenly from the one to the other. */
export interface Step {
  readonly durationMs: number;
  readonly fromPerSecond: number;
  readonly toPerSecond: number;
}

/** One rate all the time. */
export function steady(ratePerSecond: number, durationMs: number): readonly Step[] {
  return [{ durationMs, fromPerSecond: ratePerSecond, toPerSecond: ratePerSecond }];
}

/** How many arrivals a step has on average. */
function expectedIn({ durationMs, fromPerSecond, toPerSecond }: Step): number {
  return ((fromPerSecond + toPerSecond) / 2) * (durationMs / 1_000);
}

/**
 * When each refresh is due, in milliseconds from the start, in order. `constant`: evenly spaced at the rate of the moment,
 * the first at once. `poisson`: independent arrivals.
 *
 * @see https://en.wikipedia.org/wiki/Poisson_point_process#Inverse_transform: arrivals of rate 1, mapped by the inverse of
 * what the plan expects until a moment
 */
export function* schedule(
  arrivals: Arrivals,
  steps: readonly Step[],
  random: Random,
): Generator<number, void, undefined> {
  let [n, count] = [0, nextCount(arrivals, 0, 0, random)];
  let [beforeMs, beforeCount] = [0, 0];
  for (const step of steps) {
    const within = expectedIn(step);
    while (count - beforeCount < within) {
      yield beforeMs + momentOf(count - beforeCount, step);
      n += 1;
      count = nextCount(arrivals, n, count, random);
    }
    beforeMs += step.durationMs;
    beforeCount += within;
  }
}

/** Counted, not added up, where they are evenly spaced: errors of rounding would add up, too. */
function nextCount(arrivals: Arrivals, n: number, count: number, random: Random): number {
  // 1 - random() is never 0, whose logarithm is infinite.
  return arrivals === 'constant' ? n : count - Math.log(1 - random());
}

/** When a step has come to so many arrivals: the root of its rate's integral. */
function momentOf(count: number, { durationMs, fromPerSecond, toPerSecond }: Step): number {
  if (count === 0) return 0;
  if (fromPerSecond === toPerSecond) return (count * 1_000) / fromPerSecond;
  const seconds = durationMs / 1_000;
  const slope = (toPerSecond - fromPerSecond) / seconds;
  const root = Math.sqrt(Math.max(0, fromPerSecond ** 2 + 2 * slope * count));
  return ((2 * count) / (fromPerSecond + root)) * 1_000;
}
