import type { MigrateEvent } from './events.js';
import type { Session } from './session.js';
import type { UserNames } from '../store/user-source.js';

export interface Timing {
  monotonicMs(): number;
  /** Rejects where the signal fires. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** In [0, 1). */
  random(): number;
}

/** What every step of a run needs. */
export interface RunContext {
  /** Holds the lock of all runners. */
  readonly session: Session;
  /** The second connection; the embedded PostgreSQL has none. */
  readonly watcher: Session | undefined;
  readonly timing: Timing;
  readonly emit: (event: MigrateEvent) => void;
  /** How long a statement may wait for a lock that makes live traffic wait behind it. */
  readonly lockTimeoutMs: number;
  /** How long others may stand in the way of one step; undefined: as long as they like. */
  readonly maxWaitMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** For the triggers. */
  readonly userTable: UserNames;
}
