import type { Random } from './random.js';

/** A ratio and the interval that holds it with 95 % confidence. */
export interface Ratio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** Enough that the ends of a 95 % interval stay put to about 1 % of its width. */
const RESAMPLES = 4_000;

/**
 * The ratio of paired measurements (blocks that were run next to each other) as their geometric mean, with a
 * percentile bootstrap over the pairs. Undefined below three pairs: two say nothing of how they vary.
 */
export function pairedRatio(
  pairs: readonly (readonly [ours: number, theirs: number])[],
  random: Random,
): Ratio | undefined {
  const logs = pairs.filter(([a, b]) => a > 0 && b > 0).map(([a, b]) => Math.log(a / b));
  if (logs.length < 3) return undefined;
  return interval(mean(logs), () => mean(resampled(logs, random)));
}

/** The same of two runs that were made at different times: each is resampled by itself. */
export function unpairedRatio(
  ours: readonly number[],
  theirs: readonly number[],
  random: Random,
): Ratio | undefined {
  const [a, b] = [ours, theirs].map((values) => values.filter((value) => value > 0).map(Math.log)) as [
    number[],
    number[],
  ];
  if (a.length < 3 || b.length < 3) return undefined;
  return interval(mean(a) - mean(b), () => mean(resampled(a, random)) - mean(resampled(b, random)));
}

function interval(log: number, draw: () => number): Ratio {
  const draws = Float64Array.from({ length: RESAMPLES }, draw).sort();
  const at = (share: number): number => Math.exp(draws[Math.floor(share * (RESAMPLES - 1))] ?? log);
  return { ratio: Math.exp(log), low: at(0.025), high: at(0.975) };
}

function resampled(values: readonly number[], random: Random): number[] {
  return values.map(() => values[Math.floor(random() * values.length)] ?? 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
