import type { IndexFacts } from './coverage.js';
import { MigrateError } from './errors.js';
import type { Conflict } from './lock-holders.js';
import { withLockTimeout } from './retry.js';
import type { RunContext } from './run-context.js';

/**
 * DROP INDEX CONCURRENTLY stalls nobody while it waits, so one try may outlast a transaction of ordinary length. It
 * has a bound because nothing watches it: a run must come to an end, and say who held on to the table.
 */
const LOCK_TIMEOUT_MS = 2_000;

/** Where no --max-wait is given. */
const DEFAULT_PATIENCE_MS = 10_000;

/**
 * Drops an index beside live traffic, trying again where a transaction holds on to the table.
 *
 * @returns false where one held on to it for all of the time. Until it ends PostgreSQL lets no one remove the index
 */
export async function dropIndex(run: RunContext, index: IndexFacts): Promise<boolean> {
  const { name, qualifiedName } = index;
  const patienceMs = run.maxWaitMs ?? DEFAULT_PATIENCE_MS;
  try {
    // The signal that ended a build must not end the tidying after it.
    await withLockTimeout(
      { ...run, signal: undefined },
      { name, lockTimeoutMs: LOCK_TIMEOUT_MS, patienceMs, conflict: dropConflict(index) },
      () => run.session.query(`DROP INDEX CONCURRENTLY IF EXISTS ${qualifiedName}`),
    );
    return true;
  } catch (error) {
    if (error instanceof MigrateError && error.code === 'CONTENDED') return false;
    throw error;
  }
}

/** As long as anybody holds any lock on its table, an index can't be removed. */
export function dropConflict({ table }: IndexFacts): Conflict {
  return { tables: [table], from: 'AccessShareLock' };
}
