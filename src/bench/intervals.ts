/** A ratio and the interval that holds it with 95 % confidence. */
export interface Ratio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** Two say nothing of how they vary. */
const MIN_SAMPLES = 3;

/** Neighbouring seconds of a run are alike, and an interval over them would be too narrow: they are put together. */
const MAX_BLOCKS = 6;

/**
 * Two runs at different times differ although nothing was changed: memory lies elsewhere, code is compiled otherwise, the
 * machine has cooled. By so much (a standard deviation, as the logarithm of a ratio), which no look inside of a run tells.
 */
const BETWEEN_RUNS = 0.03;

/**
 * The ratio of paired measurements (blocks that were run next to each other): their geometric mean, with Student's
 * interval over the logarithms. Undefined below three pairs.
 */
export function pairedRatio(pairs: readonly (readonly [ours: number, theirs: number])[]): Ratio | undefined {
  const logs = pairs.filter(([a, b]) => a > 0 && b > 0).map(([a, b]) => Math.log(a / b));
  if (logs.length < MIN_SAMPLES) return undefined;
  return around(mean(logs), variance(logs) / logs.length, logs.length - 1);
}

/**
 * The same of two runs that were made at different times, from the values of their seconds: Welch's interval over blocks of
 * neighbouring seconds.
 *
 * @see https://en.wikipedia.org/wiki/Welch%27s_t-test
 */
export function unpairedRatio(ours: readonly number[], theirs: readonly number[]): Ratio | undefined {
  const [a, b] = [ours, theirs].map((values) =>
    blocks(values.filter((value) => value > 0).map(Math.log)),
  ) as [number[], number[]];
  if (a.length < MIN_SAMPLES || b.length < MIN_SAMPLES) return undefined;
  const [va, vb] = [variance(a) / a.length, variance(b) / b.length];
  const freedom = (va + vb) ** 2 / (va ** 2 / (a.length - 1) + vb ** 2 / (b.length - 1) || 1e-12);
  return around(mean(a) - mean(b), va + vb + 2 * BETWEEN_RUNS ** 2, Math.max(1, Math.floor(freedom)));
}

/** Means of neighbours. */
function blocks(values: readonly number[]): number[] {
  const count = Math.min(MAX_BLOCKS, values.length);
  return Array.from({ length: count }, (_, n) =>
    mean(
      values.slice(Math.floor((n * values.length) / count), Math.floor(((n + 1) * values.length) / count)),
    ),
  );
}

function around(log: number, varianceOfMean: number, freedom: number): Ratio {
  const half = quantile(freedom) * Math.sqrt(varianceOfMean);
  return { ratio: Math.exp(log), low: Math.exp(log - half), high: Math.exp(log + half) };
}

/** Student's t at 97.5 % for 1, 2, 3 ... degrees of freedom (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2). */
const T_975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** From 30 degrees on it is the last one's, a little wide. */
function quantile(freedom: number): number {
  return T_975[Math.min(freedom, T_975.length) - 1] ?? Infinity;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of a sample: over n - 1. */
function variance(values: readonly number[]): number {
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}
