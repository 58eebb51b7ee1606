import { START, type Cursor, type Cutoff, type Tables } from './batch-sql.js';
import type { Query } from './session.js';

/**
 * The moment before which a token must have expired, from the database's clock and no other: the clock of this host
 * may be wrong by years. To the microsecond, as PostgreSQL keeps it.
 */
export async function readCutoff(query: Query, ageMs: number): Promise<Cutoff> {
  const [row] = await query<{ at: string; seconds: string }>(
    `SELECT to_char(cutoff AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
            floor(extract(epoch FROM cutoff))::bigint::text AS seconds
       FROM (SELECT clock_timestamp() - $1::bigint * interval '1 millisecond' AS cutoff) AS c`,
    [Math.ceil(ageMs)],
  );
  if (row === undefined) throw new Error('the database told no time');
  return row;
}

export interface Backlog {
  readonly rows: number;
  readonly exact: boolean;
}

/**
 * A glance counts up to here, in some 10 ms; beyond it tells the planner's estimate, which falls no sooner than the next
 * ANALYZE.
 */
const GLANCE = 50_000;

/** A run counts up to here, in some 200 ms: nothing beside what it is about to do. */
const COUNTED = 1_000_000;

/** How many rows are past the cutoff, from the cursor on. Costs milliseconds, however large the table is. */
export async function readBacklog(
  query: Query,
  { outstanding }: Tables,
  cutoff: Cutoff,
  { cursor = START, most = COUNTED }: { readonly cursor?: Cursor; readonly most?: number } = {},
): Promise<Backlog> {
  const past = `FROM ONLY ${outstanding} AS o WHERE o.expires_at <= '${cutoff.at}'::timestamptz
                  AND (o.expires_at, o.id) > ('${cursor.expiresAt}'::timestamptz, ${cursor.id})`;
  const [counted] = await query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM (SELECT ${past} ORDER BY o.expires_at, o.id LIMIT ${most + 1}) AS few`,
  );
  const rows = counted?.rows ?? 0;
  if (rows <= most) return { rows, exact: true };
  const [plan] = await query<{ 'QUERY PLAN': readonly [{ Plan: { 'Plan Rows': number } }] }>(
    `EXPLAIN (FORMAT JSON) SELECT ${past}`,
  );
  const estimate = plan?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0;
  return { rows: Math.max(most + 1, Math.round(estimate)), exact: false };
}

/** For whoever looks now and then. */
export async function glanceAtBacklog(query: Query, tables: Tables, cutoff: Cutoff): Promise<number> {
  return (await readBacklog(query, tables, cutoff, { most: GLANCE })).rows;
}
