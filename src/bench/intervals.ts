/**
 * A ratio and its interval. A comparison has three (rate, mean, p99); each interval is so wide that all three hold the
 * truth in 95 % of comparisons: else one of three would be outside in up to 15 % of those where nothing differs.
 */
export interface Ratio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** Two say next to nothing of how they vary. */
export const MIN_SAMPLES = 3;

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
 * A run against earlier ones. Two runs at different times differ although nothing was changed: memory lies elsewhere, code
 * is compiled otherwise, the machine has other work. No look inside of a run tells by how much, so it is the earlier runs
 * that tell: this is Student's interval for one more run like them. Undefined below three of them.
 *
 * @see https://en.wikipedia.org/wiki/Prediction_interval#Unknown_mean,_unknown_variance
 */
export function ratioToRuns(ours: number, earlier: readonly number[]): Ratio | undefined {
  const logs = earlier.filter((value) => value > 0).map(Math.log);
  if (logs.length < MIN_SAMPLES || ours <= 0) return undefined;
  return around(Math.log(ours) - mean(logs), variance(logs) * (1 + 1 / logs.length), logs.length - 1);
}

/** Whether the interval says that there is a difference. */
export function differs({ low, high }: Ratio): boolean {
  return low > 1 || high < 1;
}

function around(log: number, varianceOfMean: number, freedom: number): Ratio {
  const half = quantile(freedom) * Math.sqrt(varianceOfMean);
  return { ratio: Math.exp(log), low: Math.exp(log - half), high: Math.exp(log + half) };
}

/**
 * Student's t for 1, 2, 3 ... degrees of freedom at 1 - 5 % / 2 / 3: two-sided 95 % for three intervals together, after
 * Bonferroni (scipy.stats.t.ppf(1 - 0.05 / 6, n)).
 *
 * @see https://www.itl.nist.gov/div898/handbook/prc/section4/prc473.htm
 */
const T = [
  38.188, 7.649, 4.857, 3.961, 3.534, 3.287, 3.128, 3.016, 2.933, 2.87, 2.82, 2.779, 2.746, 2.718, 2.694,
  2.673, 2.655, 2.639, 2.625, 2.613, 2.601, 2.591, 2.582, 2.574, 2.566, 2.559, 2.552, 2.546, 2.541, 2.536,
];

/** From 30 degrees on it is the last one's, a little wide. */
function quantile(freedom: number): number {
  return T[Math.min(freedom, T.length) - 1] ?? Infinity;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Of a sample: over n - 1. */
function variance(values: readonly number[]): number {
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
}
