import type { Baseline, EarlierRun } from './baseline.js';
import type { Finding } from './health.js';
import type { LatencySummary } from './histogram.js';
import { differs, MIN_SAMPLES, pairedRatio, ratioToRuns, type Ratio } from './intervals.js';
import type { Comparison } from './report.js';
import type { Block, Side } from './side.js';

/** Two targets that were loaded in turn. */
export function paired(
  against: string,
  { recording, elapsedMs }: Side,
  pairs: readonly (readonly [Block, Block])[],
): Comparison {
  const ratio = (key: keyof Block) => pairedRatio(pairs.map(([a, b]) => [a[key], b[key]]));
  return withDifferences({
    against,
    kind: 'paired',
    pairs: pairs.length,
    blocks: pairs,
    other: {
      perSecond: (recording.successes * 1_000) / elapsedMs,
      latency: recording.latency.summary(),
      errors: Object.fromEntries(recording.errors),
    },
    rate: ratio('perSecond'),
    mean: ratio('meanMs'),
    p99: ratio('p99Ms'),
  });
}

/** How more of them are given. */
function moreRuns(file: string): string {
  return `Make five of the build that ${file} is of, each with --out, put the files into one (cat run-*.json > base.json), and give that to --baseline.`;
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
  { rate, mean, p99, against, kind, runs = 0 }: Comparison,
  maxPercent: number,
  otherFault: string | undefined,
): Regression | undefined {
  if (otherFault !== undefined)
    return {
      kind: 'not_compared',
      because: `There is nothing to compare with. The other target: ${otherFault}`,
    };
  if (kind === 'unpaired' && runs < MIN_SAMPLES) {
    return {
      kind: 'not_compared',
      because: `--max-regression can't be judged by ${runs === 1 ? 'one earlier run' : `${runs} earlier runs`}: only several runs of the same build tell by how much runs differ here by themselves. ${moreRuns(against)}`,
    };
  }
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

/** A run, and earlier ones. */
export function unpaired({ file, runs }: Baseline, perSecond: number, latency: LatencySummary): Comparison {
  const typical = (of: (run: EarlierRun) => number) => geometricMean(runs.map(of));
  const ratio = (ours: number, of: (run: EarlierRun) => number) => ratioToRuns(ours, runs.map(of));
  const p99 = (summary: LatencySummary) => summary.percentiles_ms['p99'] ?? 0;
  return withDifferences({
    against: file,
    kind: 'unpaired',
    pairs: 0,
    runs: runs.length,
    other: {
      perSecond: typical((run) => run.perSecond),
      latency: {
        count: runs.reduce((sum, run) => sum + run.latency.count, 0),
        mean_ms: typical((run) => run.latency.mean_ms),
        percentiles_ms: Object.fromEntries(
          Object.keys(latency.percentiles_ms).map((name) => [
            name,
            typical((run) => run.latency.percentiles_ms[name] ?? 0),
          ]),
        ),
        max_ms: Math.max(...runs.map((run) => run.latency.max_ms)),
      },
      errors: Object.fromEntries(summed(runs.map(({ errors }) => errors))),
    },
    rate: ratio(perSecond, (run) => run.perSecond),
    mean: ratio(latency.mean_ms, (run) => run.latency.mean_ms),
    p99: ratio(p99(latency), (run) => p99(run.latency)),
  });
}

/** What a reader of a comparison must know of it. */
export function findingsOf(comparison: Comparison, maxPercent: number | undefined): Finding[] {
  const { kind, runs = 0, against, rate, mean, p99 } = comparison;
  const found = (code: string, sentence: string): Finding => ({ spoils: 'nothing', code, sentence });
  if (kind === 'unpaired' && runs < MIN_SAMPLES) {
    return [
      found(
        'few_earlier_runs',
        `Nobody can tell a difference to ${runs === 1 ? 'one earlier run' : `${runs} earlier runs`} from how much runs differ by themselves. ${moreRuns(against)}`,
      ),
    ];
  }
  if (maxPercent === undefined || rate === undefined || mean === undefined || p99 === undefined) return [];
  const blind = Math.max(mean.high / mean.ratio - 1, rate.ratio / rate.low - 1) * 100;
  if (blind <= maxPercent) return [];
  return [
    found(
      'comparison_blunt',
      `This comparison can't see less than a difference of about ${blind.toFixed(0)} %, which is more than the ${maxPercent} % of --max-regression: a longer --duration or a quieter machine sees more.`,
    ),
  ];
}

/** With what is surely another than the other target's, or the earlier runs'. */
function withDifferences(comparison: Omit<Comparison, 'differences'>): Comparison {
  const { rate, mean, p99 } = comparison;
  const differing = ([, ratio]: readonly [string, Ratio | undefined]): boolean =>
    ratio !== undefined && differs(ratio);
  const names = Object.entries({ rate, mean, p99 }).filter(differing);
  return { ...comparison, differences: names.map(([name]) => name as 'rate' | 'mean' | 'p99') };
}

function geometricMean(values: readonly number[]): number {
  if (values.some((value) => value <= 0)) return 0;
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function summed(all: readonly Readonly<Record<string, number>>[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [kind, count] of all.flatMap((one) => Object.entries(one)))
    sums.set(kind, (sums.get(kind) ?? 0) + count);
  return sums;
}
