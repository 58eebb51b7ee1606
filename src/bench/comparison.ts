import type { Baseline } from './baseline.js';
import { pairedRatio, unpairedRatio, type Ratio } from './intervals.js';
import type { Recording } from './record.js';
import type { Comparison } from './report.js';
import type { Block, Side } from './side.js';

/** Two targets that were loaded in turn. */
export function paired(
  against: string,
  { recording, elapsedMs }: Side,
  pairs: readonly (readonly [Block, Block])[],
): Comparison {
  const ratio = (key: keyof Block) => pairedRatio(pairs.map(([a, b]) => [a[key], b[key]]));
  return {
    against,
    kind: 'paired',
    pairs: pairs.length,
    other: {
      perSecond: (recording.successes * 1_000) / elapsedMs,
      latency: recording.latency.summary(),
      errors: Object.fromEntries(recording.errors),
    },
    rate: ratio('perSecond'),
    mean: ratio('meanMs'),
    p99: ratio('p99Ms'),
  };
}

/** What stands against a run with --max-regression. */
export interface Regression {
  /** Worse than the other target in turn, worse than an earlier run, or it can't be told. */
  readonly kind: 'worse' | 'worse_than_before' | 'not_compared';
  readonly because: string;
}

/**
 * The first figure that is worse by more than `maxPercent` for certain: all of its interval is. Undefined: none is, which
 * a wide interval may be the reason of.
 *
 * @param otherFault what is wrong with the other target's answers
 */
export function regression(
  { rate, mean, p99, against, kind }: Comparison,
  maxPercent: number,
  otherFault: string | undefined,
): Regression | undefined {
  if (otherFault !== undefined)
    return {
      kind: 'not_compared',
      because: `There is nothing to compare with. The other target: ${otherFault}`,
    };
  if (rate === undefined || mean === undefined || p99 === undefined) {
    const because = `--max-regression can't be judged: too few blocks of this run, or of ${against}, had answers. Give a longer --duration.`;
    return { kind: 'not_compared', because };
  }
  const most = maxPercent / 100;
  const worse = (what: string, { ratio, low, high }: Ratio): Regression => ({
    kind: kind === 'paired' ? 'worse' : 'worse_than_before',
    because: `${what} ${ratio.toFixed(3)} times that of ${against} (95 % interval ${low.toFixed(3)} to ${high.toFixed(3)}), which is over the ${maxPercent} % of --max-regression.`,
  });
  if (rate.high < 1 - most) return worse('The rate was', rate);
  if (mean.low > 1 + most) return worse('The mean was', mean);
  if (p99.low > 1 + most) return worse('The p99 was', p99);
  return undefined;
}

/** A run, and an earlier one. */
export function unpaired(baseline: Baseline, recording: Recording): Comparison {
  type Part = Baseline['slices'][number];
  const ratio = (of: (slice: Part) => number) => {
    const full = (slices: readonly Part[]) => slices.filter(({ successes }) => successes > 0).map(of);
    return unpairedRatio(full(recording.slices), full(baseline.slices));
  };
  const { file, perSecond, latency, errors, slices } = baseline;
  return {
    against: file,
    kind: 'unpaired',
    pairs: Math.min(recording.slices.length, slices.length),
    other: { perSecond, latency, errors },
    rate: ratio((slice) => (slice.successes * 1_000) / slice.durationMs),
    mean: ratio((slice) => slice.meanMs),
    p99: ratio((slice) => slice.p99Ms),
  };
}
