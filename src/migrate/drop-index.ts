import { MigrateError } from './errors.js';
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
export async function dropIndex(run: RunContext, name: string, qualifiedName: string): Promise<boolean> {
  const patienceMs = run.maxWaitMs ?? DEFAULT_PATIENCE_MS;
  try {
    // The signal that ended a build must not end the tidying after it.
    await withLockTimeout(
      { ...run, signal: undefined },
      { name, lockTimeoutMs: LOCK_TIMEOUT_MS, patienceMs },
      () => run.session.query(`DROP INDEX CONCURRENTLY IF EXISTS ${qualifiedName}`),
    );
    return true;
  } catch (error) {
    if (error instanceof MigrateError && error.code === 'CONTENDED') return false;
    throw error;
  }
}

/** Who holds any lock on a table, by transaction. As long as he does, no index of it can be removed. */
export async function lockHolders(run: RunContext, tableOid: number): Promise<Map<string, number>> {
  // pg_locks is open to every role; ages of other roles' transactions aren't.
  const rows = await run.session.query<{ transaction: string; pid: number }>(
    `SELECT DISTINCT virtualtransaction AS transaction, coalesce(pid, 0) AS pid
       FROM pg_locks
      WHERE locktype = 'relation' AND relation = $1 AND granted AND pid IS DISTINCT FROM pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [tableOid],
  );
  return new Map(rows.map(({ transaction, pid }) => [transaction, pid]));
}
