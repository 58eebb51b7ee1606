import type { Baseline } from './baseline.js';
import { pairedRatio, unpairedRatio } from './bootstrap.js';
import { seeded } from './random.js';
import type { Recording } from './record.js';
import type { Comparison } from './report.js';
import type { Block, Side } from './side.js';

/** Two targets that were loaded in turn. */
export function paired(
  against: string,
  { recording, elapsedMs }: Side,
  pairs: readonly (readonly [Block, Block])[],
  seed: number,
): Comparison {
  const ratio = (key: keyof Block) =>
    pairedRatio(
      pairs.map(([a, b]) => [a[key], b[key]]),
      seeded(seed),
    );
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

/** A run, and an earlier one. */
export function unpaired(baseline: Baseline, recording: Recording, seed: number): Comparison {
  type Part = Baseline['slices'][number];
  const ratio = (of: (slice: Part) => number) => {
    const full = (slices: readonly Part[]) => slices.filter(({ successes }) => successes > 0).map(of);
    return unpairedRatio(full(recording.slices), full(baseline.slices), seeded(seed));
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
