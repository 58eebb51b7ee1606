import type { LatencySummary } from './histogram.js';

/** What is compared of an earlier run: the part of --out that is read again. */
export interface Baseline {
  readonly file: string;
  readonly perSecond: number;
  readonly latency: LatencySummary;
  readonly errors: Readonly<Record<string, number>>;
  readonly slices: readonly {
    readonly successes: number;
    readonly durationMs: number;
    readonly meanMs: number;
    readonly p99Ms: number;
  }[];
}

/** What a run has to have in common with another, or a difference says nothing. */
export type ComparablePlan = Readonly<Record<(typeof COMPARED)[number], unknown>>;

const COMPARED = ['mode', 'users', 'ratePerSecond', 'arrivals', 'duplicatesPercent', 'tabs'] as const;

const FLAGS: Readonly<Record<(typeof COMPARED)[number], string>> = {
  mode: '--mode', users: '--users', ratePerSecond: '--rate', arrivals: '--arrivals', duplicatesPercent: '--duplicates', tabs: '--tabs',
}; // prettier-ignore

/** In which flags an earlier report's plan is another one, `--users 50`; none: they can be compared. */
export function planDifferences(document: object, plan: ComparablePlan): string[] {
  const { plan: was = {} } = document as { readonly plan?: Readonly<Record<string, string | number>> };
  const keys = plan.mode === 'open' || was['mode'] === 'open' ? COMPARED : CLOSED;
  return keys.flatMap((key) => {
    const before = was[key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];
    return before === undefined || before === plan[key] ? [] : [`${FLAGS[key]} ${String(before)}`];
  });
}

/** --rate and --arrivals are for an open loop. */
const CLOSED = COMPARED.filter((key) => key !== 'ratePerSecond' && key !== 'arrivals');

interface Written {
  readonly throughput: { readonly per_second: number };
  readonly latency: LatencySummary;
  readonly errors: Readonly<Record<string, number>>;
  readonly slices: readonly {
    readonly successes: number;
    readonly duration_ms: number;
    readonly mean_ms: number;
    readonly p99_ms: number;
  }[];
}

/** Undefined where the document is no report. */
export function readBaseline(file: string, document: object): Baseline | undefined {
  const { throughput, latency, errors, slices } = document as Partial<Written>;
  if (typeof throughput?.per_second !== 'number' || !Array.isArray(slices)) return undefined;
  if (typeof latency?.mean_ms !== 'number' || typeof latency.percentiles_ms !== 'object') return undefined;
  return {
    file,
    perSecond: throughput.per_second,
    latency,
    errors: errors ?? {},
    slices: (slices as Written['slices']).map((slice) => ({
      successes: slice.successes,
      durationMs: slice.duration_ms,
      meanMs: slice.mean_ms,
      p99Ms: slice.p99_ms,
    })),
  };
}
