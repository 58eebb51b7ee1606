import type { Baseline } from './baseline.js';
import type { Slice } from './record.js';

export interface BenchTarget {
  readonly refreshUrl: URL;
  /** Where `/kpis` is; undefined: a server that has none, or whose is not known. */
  readonly adminUrl: string | undefined;
  readonly tokens: readonly string[];
  /** A new token of the user of this number, for one whose chain was refused; undefined: there are none. */
  readonly reissue: (() => string) | undefined;
}

export type Rotation = 'on' | 'off' | 'keep' | 'offered';

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
  readonly limits: readonly {
    readonly name: string;
    readonly percentile: number | 'mean';
    readonly maxMs: number;
  }[];
  readonly baseline: Baseline | undefined;
  /** By how much the comparison may be worse. */
  readonly maxRegressionPercent: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

export interface Progress {
  readonly phase: 'calibrating' | 'seeding' | 'warming up' | 'measuring' | 'counting rows';
  readonly leftMs: number | undefined;
  readonly slice: Slice | undefined;
}
