import type { Tables } from './batch-sql.js';
import type { CleanupSession } from './session.js';

/** Fewer dead rows than that are autovacuum's business, and cost nobody anything. */
const MIN_ROWS = 10_000;

/** Of the table: a vacuum reads all indexes whole, whatever there is to remove. As autovacuum is set (0008). */
const MIN_SHARE = 0.02;

/**
 * Manual VACUUMs run at full speed by default; with this they rest as autovacuum does, for the sake of live traffic.
 * https://www.postgresql.org/docs/current/runtime-config-resource.html
 */
const COST_DELAY = '2ms';

/** Whether it pays, after so many rows were removed. */
export async function vacuumPays(
  { query }: CleanupSession,
  { outstanding }: Tables,
  deleted: number,
): Promise<boolean> {
  if (deleted < MIN_ROWS) return false;
  const [row] = await query<{ rows: number }>(
    `SELECT greatest(reltuples, 0)::float8 AS rows FROM pg_class WHERE oid = '${outstanding.replaceAll("'", "''")}'::regclass`,
  );
  return deleted >= MIN_SHARE * (row?.rows ?? 0);
}

/** @param gently false: as fast as it can */
export async function vacuum(
  { query, slowly }: CleanupSession,
  { outstanding, blacklisted }: Tables,
  gently: boolean,
): Promise<void> {
  // VACUUM can't be in a transaction, and so neither SET LOCAL. A pooler may keep this in a session for a moment:
  // it says how fast VACUUMs run, and nothing else.
  if (gently) await query(`SET vacuum_cost_delay = '${COST_DELAY}'`);
  try {
    for (const table of [blacklisted, outstanding]) {
      // TRUNCATE off: giving empty pages at the end back would lock everybody out for a moment.
      await slowly(`VACUUM (ANALYZE, TRUNCATE off, SKIP_LOCKED) ${table}`);
    }
  } finally {
    if (gently) await query('RESET vacuum_cost_delay').catch(() => undefined);
  }
}
