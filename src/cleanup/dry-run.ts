import { readCutoff } from './backlog.js';
import { batchSql, BEGIN_BATCH, START, type BatchRow, type Cutoff } from './batch-sql.js';
import type { Facts } from './catalog.js';
import { mayGoSql } from './expiry-sql.js';
import type { CleanupSession } from './session.js';

/** What a cleanup would do. */
export interface DryRun {
  readonly cutoff: string;
  /** Rows are kept so much longer, since tokens of this site outlive them. */
  readonly extraLifetimeMs: number;
  readonly wouldDelete: number;
  /** Past the cutoff, but the JWT expires later or can't be read for certain. */
  readonly wouldKeep: number;
  /** By how long before the cutoff they expired. */
  readonly byAge: readonly { readonly age: string; readonly rows: number }[];
  /** Of the rest. */
  readonly notYet: number;
  /** At this pace, from one batch that was rolled back; undefined: nothing to measure, or locks were in the way. */
  readonly estimatedMs: number | undefined;
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

/** Reading ten million rows; what takes longer is a table to look at by other means. */
const SURVEY_TIMEOUT = `BEGIN READ ONLY; SET LOCAL statement_timeout = '5min'; SET LOCAL jit = off`;

export async function dryRun(
  session: CleanupSession,
  facts: Facts,
  options: { ageMs: number; extraMs: number; nice: number; monotonicMs: () => number },
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
  const perRowMs =
    wouldDelete === 0 ? undefined : await rehearse(session, facts, cutoff, options.monotonicMs);
  return {
    cutoff: cutoff.at,
    extraLifetimeMs: options.extraMs,
    wouldDelete,
    wouldKeep: sum(rows.filter(({ goes, bucket }) => !goes && bucket !== null)),
    byAge: AGES.map(([age], at) => ({ age, rows: sum(going.filter(({ bucket }) => bucket === at)) })),
    notYet: sum(rows.filter(({ bucket }) => bucket === null)),
    estimatedMs: perRowMs === undefined ? undefined : Math.round(perRowMs * wouldDelete * (1 + options.nice)),
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

/** Does one batch and takes it back: nothing tells the rate of this machine like it. */
async function rehearse(
  session: CleanupSession,
  facts: Facts,
  cutoff: Cutoff,
  monotonicMs: () => number,
): Promise<number | undefined> {
  try {
    return await session.transaction(BEGIN_BATCH, async (query) => {
      const startedMs = monotonicMs();
      const values = [START.expiresAt, START.id, cutoff.at, cutoff.seconds, REHEARSED];
      const [row] = await query<BatchRow>(batchSql(facts), values);
      await query('SET CONSTRAINTS ALL IMMEDIATE');
      const value = row === undefined || row.seen === 0 ? undefined : (monotonicMs() - startedMs) / row.seen;
      return { end: 'rollback', value };
    });
  } catch {
    // Somebody's locks, or a role that may only read: then there is no estimate.
    return undefined;
  }
}

function sum(rows: readonly { readonly rows: number }[]): number {
  return rows.reduce((total, { rows: more }) => total + more, 0);
}
