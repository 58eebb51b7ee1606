import { readCutoff } from './backlog.js';
import { batchSql, BEGIN_BATCH, START, type BatchRow, type Cursor, type Cutoff } from './batch-sql.js';
import type { Facts } from './catalog.js';
import { mayGoSql } from './expiry-sql.js';
import { estimate, workOf, type PaceSettings, type Took } from './pace.js';
import { CHECK, timed, type CleanupSession, type Worked } from './session.js';

/** What a cleanup would do. */
export interface DryRun {
  readonly cutoff: string;
  /** Rows are kept so much longer, since tokens of this site outlive them. */
  readonly extraLifetimeMs: number;
  readonly wouldDelete: number;
  /** Rows of the audit; absent: nobody asked, or there is none. */
  readonly auditWouldDelete?: number;
  /** Past the cutoff, but the JWT expires later or can't be read for certain. */
  readonly wouldKeep: number;
  /** By how long before the cutoff they expired. */
  readonly byAge: readonly { readonly age: string; readonly rows: number }[];
  /** Of the rest. */
  readonly notYet: number;
  /** At this pace, from batches that were rolled back; undefined: nothing to measure, or locks were in the way. */
  readonly estimatedMs: number | undefined;
  /** The same by the quickest and by the slowest of them. */
  readonly estimatedRangeMs: readonly [least: number, most: number] | undefined;
}

const AGES = [
  ['less than a day', 1],
  ['1 to 7 days', 7],
  ['7 to 30 days', 30],
  ['30 to 90 days', 90],
  ['more than 90 days', Infinity],
] as const;

/** A batch of that many tells the rate, and is over in some 10 ms. */
const REHEARSED = 500;

/** Rows lie here and there, and the first ones are read from the disk. */
const REHEARSALS = 5;

/** Of a batch of the cleanup: BEGIN, the lease, the rows, the look with COMMIT. */
const TRIPS = 4;

/** Reading ten million rows; what takes longer is a table to look at by other means. */
const SURVEY_TIMEOUT = `BEGIN READ ONLY; SET LOCAL statement_timeout = '5min'; SET LOCAL jit = off`;

export async function dryRun(
  session: CleanupSession,
  facts: Facts,
  options: { ageMs: number; extraMs: number; pace: PaceSettings; monotonicMs: () => number },
): Promise<DryRun> {
  const cutoff = await readCutoff(session.query, options.ageMs);
  const rows = await session.transaction(SURVEY_TIMEOUT, async (query) => ({
    end: 'commit',
    value: await query<{ bucket: number | null; goes: boolean; rows: number }>(surveySql(facts), [
      cutoff.at,
      cutoff.seconds,
      AGES.slice(0, -1).map(([, days]) => days),
    ]),
  }));
  const going = rows.filter(({ goes }) => goes);
  const wouldDelete = sum(going);
  const seen = wouldDelete === 0 ? [] : await rehearse(session, facts, cutoff, options.monotonicMs);
  const [least, middle, most] = [0, 0.5, 1].map((share) => {
    const one = seen[Math.round(share * (seen.length - 1))];
    return one && Math.round(estimate(options.pace, wouldDelete, one));
  });
  return {
    cutoff: cutoff.at,
    extraLifetimeMs: options.extraMs,
    wouldDelete,
    wouldKeep: sum(rows.filter(({ goes, bucket }) => !goes && bucket !== null)),
    byAge: AGES.map(([age], at) => ({ age, rows: sum(going.filter(({ bucket }) => bucket === at)) })),
    notYet: sum(rows.filter(({ bucket }) => bucket === null)),
    estimatedMs: middle,
    estimatedRangeMs: least === undefined || most === undefined ? undefined : [least, most],
  };
}

function surveySql({ outstanding, slidingEnd }: Facts): string {
  return `
  SELECT bucket, goes, count(*)::int AS rows
    FROM (SELECT CASE WHEN o.expires_at <= $1::timestamptz THEN
                   (SELECT count(*) FROM unnest($3::int[]) AS days
                     WHERE o.expires_at <= $1::timestamptz - days * interval '1 day')::int END AS bucket,
                 ${mayGoSql('o', '$1::timestamptz', '$2::bigint', slidingEnd)} AS goes
            FROM ONLY ${outstanding} AS o) AS judged
   GROUP BY bucket, goes`;
}

interface Rehearsal {
  readonly rowMs: number;
  readonly tripMs: number;
  readonly trips: number;
}

/** Does some batches and takes each back: nothing tells the rate of this machine like it. By what a row took. */
async function rehearse(
  session: CleanupSession,
  facts: Facts,
  cutoff: Cutoff,
  monotonicMs: () => number,
): Promise<Rehearsal[]> {
  const seen: { readonly rows: number; readonly took: Took }[] = [];
  let cursor: Cursor | undefined = START;
  while (cursor !== undefined && seen.length < REHEARSALS) {
    const values: unknown[] = [cursor.expiresAt, cursor.id, cutoff.at, cutoff.seconds, REHEARSED];
    try {
      const { value, took } = await timed(session, BEGIN_BATCH, monotonicMs, async (query) => {
        const [row] = await query<BatchRow>(batchSql(facts), values);
        const [checked] = await query<Worked>(CHECK);
        return {
          end: 'rollback',
          value: row,
          workedMs: (row?.worked_ms ?? 0) + (checked?.worked_ms ?? 0),
        };
      });
      if (value === undefined || value.seen === 0) break;
      const { seen: rows, last_expires_at, last_id } = value;
      seen.push({ rows, took });
      cursor =
        last_expires_at === null || last_id === null
          ? undefined
          : { expiresAt: last_expires_at, id: last_id };
    } catch {
      // Somebody's locks, or a role that may only read: then there is no more to go by.
      break;
    }
  }
  // BEGIN, the rows, the checks, ROLLBACK.
  const tripMs = Math.min(...seen.map(({ took }) => (took.ms - workOf(took)) / 4));
  return seen
    .map(({ rows, took }) => ({
      rowMs: Math.max(workOf(took), 0.1) / rows,
      tripMs,
      trips: TRIPS,
    }))
    .sort((a, b) => a.rowMs - b.rowMs);
}

function sum(rows: readonly { readonly rows: number }[]): number {
  return rows.reduce((total, { rows: more }) => total + more, 0);
}
