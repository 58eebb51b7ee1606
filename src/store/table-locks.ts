import type { Ask } from './database.js';
import type { TokenSchema } from './schema.js';

/** A table that is locked so takes no rows: by CREATE INDEX without CONCURRENTLY, LOCK TABLE, or an ALTER that waits its turn. */
const AGAINST_WRITES = ['ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'];

/** A session that locks a token table against writes, or waits to, so that others wait behind it. */
export interface TableLock {
  readonly pid: number;
  readonly table: string;
  readonly granted: boolean;
  /** Whom it waits for. */
  readonly blockers: readonly number[];
}

/** Who locks the token tables against writes. It waits for none of these locks itself. */
export function tableLocks(
  ask: Ask,
  { outstanding, blacklisted }: Pick<TokenSchema, 'outstanding' | 'blacklisted'>,
): Promise<TableLock[]> {
  return ask<TableLock>(
    `SELECT l.pid, l.relation::regclass::text AS table, l.granted,
            CASE WHEN l.granted THEN '{}' ELSE pg_blocking_pids(l.pid) END AS blockers
       FROM pg_locks l
      WHERE l.locktype = 'relation' AND l.mode = ANY ($3::text[])
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        AND l.relation IN ($1::regclass, $2::regclass)
      ORDER BY l.granted DESC, l.pid`,
    [outstanding, blacklisted, AGAINST_WRITES],
  );
}
