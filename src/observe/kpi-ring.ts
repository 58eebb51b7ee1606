/** What the KPIs are made of. Times in microseconds, the rest are counts. */
export const KPI_COUNTERS = [
  'verified',
  'succeeded',
  'rotated',
  'replayed',
  'reissued',
  'failed5xx',
  'durationUs',
  'statements',
  'met',
  'cached',
  'confirmed',
  'audited',
  'unaudited',
  'unspent',
] as const;

export type KpiCounter = (typeof KPI_COUNTERS)[number];

export type KpiSums = Readonly<Record<KpiCounter, number>>;

const INDEX = Object.fromEntries(KPI_COUNTERS.map((name, at) => [name, at])) as Record<KpiCounter, number>;
const WIDTH = KPI_COUNTERS.length;

/** A second: the shortest window is sixty of them, so its edges are right to 2 %. */
const BUCKET_MS = 1_000;

/**
 * Sums of counters over the last seconds and since the beginning: one bucket a second in a ring. Pure but for its own
 * numbers: the time is given in, in milliseconds on a clock that never goes back.
 */
export class KpiRing {
  readonly #buckets: number;
  readonly #sums: Float64Array;
  readonly #total = new Float64Array(WIDTH);
  /** The bucket number that each place of the ring holds. */
  readonly #held: Float64Array;

  /** @param longestMs the longest window that will be asked for */
  constructor(longestMs: number) {
    // One more: the window's first bucket is only partly in it.
    this.#buckets = Math.ceil(longestMs / BUCKET_MS) + 1;
    this.#sums = new Float64Array(this.#buckets * WIDTH);
    this.#held = new Float64Array(this.#buckets).fill(-1);
  }

  add(counter: KpiCounter, amount: number, nowMs: number): void {
    const bucket = Math.floor(nowMs / BUCKET_MS);
    const place = bucket % this.#buckets;
    const start = place * WIDTH;
    if (this.#held[place] !== bucket) {
      this.#held[place] = bucket;
      this.#sums.fill(0, start, start + WIDTH);
    }
    const at = INDEX[counter];
    this.#sums[start + at] = (this.#sums[start + at] ?? 0) + amount;
    this.#total[at] = (this.#total[at] ?? 0) + amount;
  }

  /** All that was added less than `windowMs` before `nowMs`, to the bucket: up to a second more. */
  within(windowMs: number, nowMs: number): KpiSums {
    const sums = new Float64Array(WIDTH);
    const newest = Math.floor(nowMs / BUCKET_MS);
    const oldest = newest - Math.ceil(windowMs / BUCKET_MS);
    for (let place = 0; place < this.#buckets; place++) {
      const held = this.#held[place] ?? -1;
      if (held < 0 || held < oldest || held > newest) continue;
      for (let at = 0; at < WIDTH; at++) sums[at] = (sums[at] ?? 0) + (this.#sums[place * WIDTH + at] ?? 0);
    }
    return named(sums);
  }

  /** All that was ever added. */
  total(): KpiSums {
    return named(this.#total);
  }
}

function named(sums: Float64Array): KpiSums {
  return Object.fromEntries(KPI_COUNTERS.map((name, at) => [name, sums[at] ?? 0])) as unknown as KpiSums;
}
