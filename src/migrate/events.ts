import type { Blocker } from './blocker.js';
import type { Finding } from './preflight.js';
import type { BuildProgress } from './progress.js';

/** What one migration came to. */
export interface Step {
  readonly name: string;
  /**
   * `applied`: done now. `covered`: something that was there does its work. `present`: done by an earlier run.
   * `drifted`: it isn't what the ledger says, and was left alone. `removed`, `kept`: by `down`.
   */
  readonly outcome: 'applied' | 'covered' | 'present' | 'drifted' | 'removed' | 'kept';
  readonly coveredBy?: string;
  /** A sentence on what is not plain. */
  readonly detail?: string;
  readonly durationMs: number;
}

/** What a run tells while it works. */
export type MigrateEvent =
  /** Connected, and not served: a pool has no session free. */
  | { readonly event: 'session_waiting' }
  | { readonly event: 'lock_waiting'; readonly holder: Blocker | undefined }
  | { readonly event: 'finding'; readonly finding: Finding }
  | { readonly event: 'unwatched'; readonly reason: string }
  | { readonly event: 'step_started'; readonly name: string; readonly what: string; readonly sql: string }
  | { readonly event: 'index_progress'; readonly name: string; readonly progress: BuildProgress }
  | { readonly event: 'index_waiting'; readonly name: string; readonly blockers: readonly Blocker[] }
  | {
      readonly event: 'retry';
      readonly name: string;
      readonly attempt: number;
      readonly reason: string;
      readonly pauseMs: number;
      /** Who held the lock just after the try; nobody, where he had gone by then. */
      readonly blockers: readonly Blocker[];
    }
  /** An invalid index of an earlier run, or of this one that gave up. */
  | { readonly event: 'leftover_dropped'; readonly name: string }
  | { readonly event: 'leftover_stays'; readonly name: string; readonly blockers: readonly Blocker[] }
  | { readonly event: 'step_finished'; readonly step: Step };
