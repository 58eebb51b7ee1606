import type { Ratio } from './intervals.js';
import type { Finding, GeneratorHealth } from './health.js';
import type { LatencySummary } from './histogram.js';
import type { KpiRow } from './kpi-report.js';
import type { Capacity } from './capacity.js';
import type { Rotation } from './plan.js';
import type { Slice } from './record.js';
import type { Step } from './schedule.js';
import type { Block } from './side.js';

export type RunVerdict = 'pass' | 'fail' | 'inconclusive';

/** A bound that was asked for with --max-mean and the like, on the client's latency. */
export interface LimitRow {
  readonly name: string;
  readonly maxMs: number;
  readonly measuredMs: number;
  readonly verdict: 'pass' | 'fail' | 'unmeasured';
}

export interface Comparison {
  /** The other URL, or the baseline's file. */
  readonly against: string;
  /** `paired`: interleaved blocks. `unpaired`: runs at different times. */
  readonly kind: 'paired' | 'unpaired';
  readonly pairs: number;
  /** `unpaired`: how many earlier ones there are. */
  readonly runs?: number;
  /** `paired`: what each pair of blocks measured, this target's first. */
  readonly blocks?: readonly (readonly [Block, Block])[];
  readonly other: {
    readonly perSecond: number;
    readonly latency: LatencySummary;
    readonly errors: Readonly<Record<string, number>>;
  };
  /** This run over the other one, or over the geometric mean of earlier ones. Undefined: too few blocks or runs. */
  readonly rate: Ratio | undefined;
  readonly mean: Ratio | undefined;
  readonly p99: Ratio | undefined;
  /** Which of them are no chance: all three intervals hold the truth in 95 % of comparisons. */
  readonly differences: readonly ('rate' | 'mean' | 'p99')[];
}

export interface LeftBehind {
  /** Refreshes that were answered, seeding, warm-up and search included: at most so many rows in each of the token tables. */
  readonly rowsAtMost: number;
  /** Refresh tokens that can still be used. */
  readonly liveTokens: number;
}

/** All that a run found; what --json prints and --out keeps. */
export interface BenchReport {
  readonly verdict: RunVerdict;
  /** One sentence: why. */
  readonly because: string;
  readonly target: { readonly url: string; readonly adminUrl: string | undefined; readonly own: boolean };
  readonly plan: {
    readonly mode: 'closed' | 'open';
    readonly users: number;
    readonly durationMs: number;
    readonly warmupMs: number;
    readonly ratePerSecond: number | undefined;
    readonly arrivals: 'constant' | 'poisson' | undefined;
    readonly duplicatesPercent: number;
    readonly tabs: number;
    readonly seed: number;
    readonly rotation: Rotation;
    readonly profile: readonly Step[] | undefined;
  };
  readonly startedAt: string;
  readonly kpis: readonly KpiRow[];
  readonly limits: readonly LimitRow[];
  readonly throughput: {
    readonly perSecond: number;
    readonly offeredPerSecond: number | undefined;
    readonly elapsedMs: number;
  };
  readonly latency: LatencySummary;
  readonly service: LatencySummary;
  readonly sendLag: LatencySummary | undefined;
  readonly counts: {
    readonly refreshes: number;
    readonly requests: number;
    readonly successes: number;
    readonly rotatedByServer: number | undefined;
    readonly duplicatesSent: number;
    readonly duplicatesRefused: number;
    readonly duplicatesReplayed: number;
    readonly forks: number;
    readonly waitedForSession: number;
    /** Of an open loop: how many still waited for a session when the last refresh had come due. */
    readonly backlog: number;
    /** Answered with the refresh token that was sent. */
    readonly unrotated: number;
    readonly lostSessions: number;
  };
  /** Of a server that isn't bench's own: rows and tokens that stay there. */
  readonly leftBehind: LeftBehind | undefined;
  readonly errors: Readonly<Record<string, number>>;
  readonly generator: GeneratorHealth & { readonly nullPerSecond: number; readonly nullP50Ms: number };
  readonly findings: readonly Finding[];
  readonly comparison: Comparison | undefined;
  /** With --find-capacity; the run itself is one at the rate that was found. */
  readonly capacity: Capacity | undefined;
  readonly slices: readonly Slice[];
  /** Points of the percentile plot, by name. */
  readonly curves: Readonly<Record<string, readonly (readonly [percentile: number, ms: number])[]>>;
}
