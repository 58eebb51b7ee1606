import type { LatencySummary } from './histogram.js';

/** One earlier run: the part of --out that is read again. */
export interface EarlierRun {
  readonly perSecond: number;
  readonly latency: LatencySummary;
  readonly errors: Readonly<Record<string, number>>;
}

export interface Baseline {
  readonly file: string;
  /** At least one. */
  readonly runs: readonly EarlierRun[];
}

/** What a run has to have in common with another, or a difference says nothing. */
export type ComparablePlan = Readonly<Record<keyof typeof FLAGS, unknown>>;

/** A longer run holds more of what is slow at first, and of tables that grow. */
const FLAGS = {
  mode: '--mode', users: '--users', durationMs: '--duration', warmupMs: '--warmup', duplicatesPercent: '--duplicates',
  tabs: '--tabs', rotation: '--rotation', ratePerSecond: '--rate', arrivals: '--arrivals', profile: '--profile',
} as const; // prettier-ignore

const OF_OPEN_LOOP: ReadonlySet<string> = new Set(['ratePerSecond', 'arrivals', 'profile']);

/** In which flags an earlier report's plan is another one, `--users 50`; none: they can be compared. */
export function planDifferences(document: object, plan: ComparablePlan): string[] {
  const { plan: was = {} } = document as { readonly plan?: Readonly<Record<string, unknown>> };
  const open = plan.mode === 'open' || was['mode'] === 'open';
  return Object.entries(FLAGS).flatMap(([key, flag]) => {
    if (!open && OF_OPEN_LOOP.has(key)) return [];
    const before = was[key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)];
    // An earlier release wrote less of its plan.
    if (before === undefined && key !== 'profile') return [];
    return isSame(before, plan[key as keyof ComparablePlan]) ? [] : [`${flag} ${told(key, before)}`];
  });
}

function isSame(before: unknown, now: unknown): boolean {
  return JSON.stringify(before) === JSON.stringify(now);
}

function told(key: string, value: unknown): string {
  if (key === 'profile') return value === undefined ? 'left out' : 'with other steps';
  if (!key.endsWith('Ms')) return String(value);
  const ms = Number(value);
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}

interface Written {
  readonly throughput: { readonly per_second: number };
  readonly latency: LatencySummary;
  readonly errors: Readonly<Record<string, number>>;
}

/** Undefined where one of the documents is no report. */
export function readBaseline(file: string, documents: readonly object[]): Baseline | undefined {
  const runs = documents.map(readRun);
  return runs.includes(undefined) ? undefined : { file, runs: runs as EarlierRun[] };
}

function readRun(document: object): EarlierRun | undefined {
  const { throughput, latency, errors } = document as Partial<Written>;
  if (typeof throughput?.per_second !== 'number') return undefined;
  if (typeof latency?.mean_ms !== 'number' || typeof latency.percentiles_ms !== 'object') return undefined;
  return { perSecond: throughput.per_second, latency, errors: errors ?? {} };
}
