import { SchemaError, sqlStateOf } from '../store/errors.js';
import type { Owned } from '../store/own-schema.js';
import { missingRights, rightsInWords } from '../store/rights.js';
import { BEGIN_BATCH } from './batch-sql.js';
import { CleanupError } from './errors.js';
import type { CleanupEvent } from './events.js';
import type { Lease, LeaseTiming } from './lease.js';
import { afterBatch, afterRefusal, pauseAfter, startPace, type PaceSettings } from './pace.js';
import { timed, WORKED_MS, type CleanupSession, type Query, type Worked } from './session.js';

export interface AuditRetention {
  /** A row goes once what it tells of was done last so long ago. */
  readonly retentionMs: number;
  readonly pace: PaceSettings;
  readonly maxRows: number;
  /** On `timing.monotonicMs`' scale. */
  readonly giveUpMs: number;
  readonly timing: LeaseTiming;
  readonly emit: (event: CleanupEvent) => void;
  readonly signal: AbortSignal | undefined;
}

interface Gone extends Worked {
  readonly seen: number;
  readonly gone: number;
  readonly last_at: string | null;
  readonly last_id: string | null;
}

/** Nobody holds on to rows of the audit but whoever does the same again at this moment. */
const TRY_AGAIN = new Set(['55P03', '40P01', '57014']);
const MOST_RETRIES = 100;
const RETRY_PAUSE_MS = 50;

/**
 * Whether there is an audit to be cleaned up.
 *
 * @throws SchemaError GRANTS_MISSING
 */
export async function checkAudit(query: Query, owned: Owned): Promise<boolean> {
  const [row] = await query<{ there: boolean; role: string }>(
    `SELECT to_regclass('${owned.own}.audit') IS NOT NULL AS there, current_user::text AS role`,
  );
  if (row?.there !== true) return false;
  const missing = await missingRights(query, { ...owned, users: undefined, audits: true }, [
    'audit_retention',
  ]);
  if (missing.length > 0) throw new SchemaError('GRANTS_MISSING', rightsInWords(missing, row.role));
  return true;
}

/**
 * Removes old rows of the audit, at the pace of the rest. To be called by the holder of the lease.
 *
 * @throws CleanupError CONTENDED | LEASE_LOST, or the error of `pg`
 */
export async function removeAudit(
  session: CleanupSession,
  { own }: Owned,
  lease: Lease,
  { retentionMs, pace: settings, maxRows, giveUpMs, timing, emit, signal }: AuditRetention,
): Promise<number> {
  // The time is fixed once, and the scan goes on from where it stands: deleted entries of the index are passed over only once.
  const [start] = await session.query<{ cutoff: string }>(
    `SELECT (clock_timestamp() - $1::bigint * interval '1 millisecond')::text AS cutoff`,
    [retentionMs],
  );
  if (start === undefined) throw new Error('the server told no time');
  const text = `
    WITH batch AS MATERIALIZED (
      SELECT a.last_at, a.id FROM ${own}.audit a
       WHERE (a.last_at, a.id) > ($1::timestamptz, $2::bigint) AND a.last_at < $3::timestamptz
       ORDER BY a.last_at, a.id
       LIMIT $4::int
    ),
    gone AS (
      DELETE FROM ${own}.audit a USING batch b WHERE a.id = b.id AND a.last_at = b.last_at RETURNING a.id
    )
    SELECT (SELECT count(*) FROM batch)::int AS seen, (SELECT count(*) FROM gone)::int AS gone,
           (SELECT last_at::text FROM batch ORDER BY last_at DESC, id DESC LIMIT 1) AS last_at,
           (SELECT id::text FROM batch ORDER BY last_at DESC, id DESC LIMIT 1) AS last_id, ${WORKED_MS}`;
  let pace = startPace(settings);
  let cursor: readonly [string, string] = ['-infinity', '0'];
  let deleted = 0;
  for (let refused = 0; ;) {
    if (signal?.aborted === true || deleted >= maxRows || timing.monotonicMs() >= giveUpMs) return deleted;
    const limit = Math.min(pace.size, maxRows - deleted);
    try {
      const { value, took } = await timed(session, BEGIN_BATCH, timing.monotonicMs, async (query) => {
        await lease.renew(query);
        const [row] = await query<Gone>(text, [...cursor, start.cutoff, limit]);
        return { end: 'commit', value: row, workedMs: row?.worked_ms ?? 0 };
      });
      refused = 0;
      if (value?.last_at == null || value.last_id === null) return deleted;
      deleted += value.gone;
      emit({ event: 'audit_progress', deleted });
      if (value.seen < limit) return deleted;
      cursor = [value.last_at, value.last_id];
      pace = afterBatch(settings, pace, value.seen, took);
      await timing.sleep(pauseAfter(settings, pace, took.ms, 1), signal).catch(() => undefined);
    } catch (error) {
      if (!TRY_AGAIN.has(sqlStateOf(error) ?? '')) throw error;
      if (++refused > MOST_RETRIES)
        throw new CleanupError(
          'CONTENDED',
          `Rows of ${own}.audit could not be had. Is there a lock on the whole table? What was finished is kept; run it again.`,
          { cause: error },
        );
      pace = afterRefusal(pace);
      await timing.sleep(RETRY_PAUSE_MS, signal).catch(() => undefined);
    }
  }
}

/** How many rows of the audit would go. */
export async function countOldAudit(query: Query, { own }: Owned, retentionMs: number): Promise<number> {
  const [row] = await query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM ${own}.audit WHERE last_at < clock_timestamp() - $1::bigint * interval '1 millisecond'`,
    [retentionMs],
  );
  return row?.rows ?? 0;
}
