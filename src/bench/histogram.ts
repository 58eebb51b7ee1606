import { build, type Histogram } from 'hdr-histogram-js';

/** An hour: no request is waited for that long. */
const HIGHEST_US = 3_600_000_000;

/** The percentiles that are reported. */
const PERCENTILES = [50, 75, 90, 95, 99, 99.9, 99.99] as const;

/** Latencies in whole microseconds, to three significant digits. */
export class LatencyHistogram {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_US,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 32,
    useWebAssembly: false,
  });
  // The histogram's own mean is that of its buckets; this one is exact.
  #sumUs = 0;
  #maxUs = 0;
  #minUs = Infinity;

  /** What isn't an integer would be cut off, not rounded, by the histogram: so it is rounded here. */
  recordMs(latencyMs: number): void {
    const us = Math.min(HIGHEST_US, Math.max(1, Math.round(latencyMs * 1_000)));
    this.#histogram.recordValue(us);
    this.#sumUs += us;
    if (us > this.#maxUs) this.#maxUs = us;
    if (us < this.#minUs) this.#minUs = us;
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  get meanMs(): number {
    return this.count === 0 ? 0 : this.#sumUs / this.count / 1_000;
  }

  get maxMs(): number {
    return this.#maxUs / 1_000;
  }

  get minMs(): number {
    return this.#minUs === Infinity ? 0 : this.#minUs / 1_000;
  }

  /** At most `percentile` % of the values are greater. */
  percentileMs(percentile: number): number {
    if (this.count === 0) return 0;
    // The upper end of a bucket may be above what was ever recorded.
    return Math.min(this.#maxUs, this.#histogram.getValueAtPercentile(percentile)) / 1_000;
  }

  summary(): LatencySummary {
    return {
      count: this.count,
      mean_ms: round(this.meanMs),
      percentiles_ms: Object.fromEntries(PERCENTILES.map((p) => [`p${p}`, round(this.percentileMs(p))])),
      max_ms: round(this.maxMs),
    };
  }

  /** The format that HdrHistogram's plotter reads, in milliseconds. */
  hgrm(): string {
    return this.#histogram.outputPercentileDistribution(5, 1_000);
  }

  /** Points of the percentile plot: evenly spaced over log(1 / (1 - p)). */
  curve(): readonly (readonly [percentile: number, ms: number])[] {
    const points: [number, number][] = [];
    const last = Math.log10(Math.max(10, this.count));
    for (let decade = 0; decade <= last + 1e-9; decade += 0.05) {
      const percentile = 100 * (1 - 10 ** -decade);
      points.push([percentile, round(this.percentileMs(percentile))]);
    }
    return points;
  }

  add(other: LatencyHistogram): void {
    this.#histogram.add(other.#histogram);
    this.#sumUs += other.#sumUs;
    this.#maxUs = Math.max(this.#maxUs, other.#maxUs);
    this.#minUs = Math.min(this.#minUs, other.#minUs);
  }

  reset(): void {
    this.#histogram.reset();
    this.#sumUs = 0;
    this.#maxUs = 0;
    this.#minUs = Infinity;
  }
}

export interface LatencySummary {
  readonly count: number;
  readonly mean_ms: number;
  /** `p50`, `p99.9`, ... */
  readonly percentiles_ms: Readonly<Record<string, number>>;
  readonly max_ms: number;
}

function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
