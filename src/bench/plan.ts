import type { Baseline } from './baseline.js';
import type { Slice } from './record.js';
import type { Step } from './schedule.js';

export interface BenchTarget {
  readonly refreshUrl: URL;
  /** Where `/kpis` is; undefined: a server that has none, or whose is not known. */
  readonly adminUrl: string | undefined;
  readonly tokens: readonly string[];
  /** A new token of the user of this number, for one whose chain was refused; undefined: there are none. */
  readonly reissue: (() => string) | undefined;
}

export type Rotation = 'on' | 'off' | 'keep' | 'offered';

/** A bound on the client's latency that was asked for. */
export interface Limit {
  readonly name: string;
  readonly percentile: number | 'mean';
  readonly maxMs: number;
}

export interface BenchPlan {
  readonly mode: 'closed' | 'open';
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly ratePerSecond: number;
  readonly arrivals: 'constant' | 'poisson';
  readonly duplicatesPercent: number;
  readonly tabs: number;
  readonly seed: number;
  /** What the server does with refresh tokens; `offered`: the load accepts rotation. */
  readonly rotation: Rotation;
  readonly own: boolean;
  readonly limits: readonly Limit[];
  readonly baseline: Baseline | undefined;
  /** By how much the comparison may be worse. */
  readonly maxRegressionPercent: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Of an open loop, in place of one rate; undefined: it is the same all the time. */
  readonly profile: readonly Step[] | undefined;
  /** The highest rate within the limits is searched, and measured. */
  readonly findCapacity: boolean;
  /** Ids of the KPIs that the verdict is about. */
  readonly kpis: readonly string[];
  /** More headers of each refresh, name and value in turn. */
  readonly headers: readonly string[];
  /** Whatever certificate a server has is taken. */
  readonly insecure: boolean;
}

export interface Progress {
  readonly phase: 'calibrating' | 'seeding' | 'warming up' | 'searching' | 'measuring' | 'counting rows';
  readonly leftMs: number | undefined;
  readonly slice: Slice | undefined;
}
