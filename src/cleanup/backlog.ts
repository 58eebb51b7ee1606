import type { Cutoff, Tables } from './batch-sql.js';
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

/** Counted up to here, in some 10 ms; beyond it the planner's estimate is as good as a progress bar needs. */
const COUNTED = 50_000;

/** How many rows are past the cutoff. Costs milliseconds, however large the table is. */
export async function readBacklog(query: Query, { outstanding }: Tables, cutoff: Cutoff): Promise<Backlog> {
  const past = `FROM ONLY ${outstanding} AS o WHERE o.expires_at <= '${cutoff.at}'::timestamptz`;
  const [counted] = await query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM (SELECT ${past} ORDER BY o.expires_at LIMIT ${COUNTED + 1}) AS few`,
  );
  const rows = counted?.rows ?? 0;
  if (rows <= COUNTED) return { rows, exact: true };
  const [plan] = await query<{ 'QUERY PLAN': readonly [{ Plan: { 'Plan Rows': number } }] }>(
    `EXPLAIN (FORMAT JSON) SELECT ${past}`,
  );
  const estimate = plan?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0;
  return { rows: Math.max(COUNTED + 1, Math.round(estimate)), exact: false };
}
