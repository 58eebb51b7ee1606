import { sqlStateOf } from '../store/errors.js';
import type { Blocker } from './blocker.js';
import { advance, startTracking, type BuildProgress, type BuildSample } from './progress.js';
import type { RunContext } from './run-context.js';
import type { Session } from './session.js';
import { describeSessions } from './surroundings.js';

/** Often enough for a person to see it move, seldom enough to cost nothing. */
const POLL_MS = 500;

export interface WatchEnd {
  readonly why: 'built' | 'gave_up' | 'interrupted';
  /** Who was in the way when it gave up. */
  readonly blockers: readonly Blocker[];
}

/**
 * Looks at a build from the second connection until it is told to stop, and ends it where it waits longer for others
 * than --max-wait allows, or where the caller's signal fires.
 */
export async function watchBuild(
  run: RunContext & { readonly watcher: Session },
  name: string,
  pid: number,
  stop: AbortSignal,
): Promise<WatchEnd> {
  const wake = AbortSignal.any(run.signal === undefined ? [stop] : [stop, run.signal]);
  const cancel = async (why: WatchEnd['why'], blockers: readonly Blocker[]): Promise<WatchEnd> => {
    // Again and again until it has ended: one that arrives before the statement does would hit nothing.
    while (!stop.aborted) {
      await run.watcher.query('SELECT pg_cancel_backend($1)', [pid]);
      await run.timing.sleep(POLL_MS, stop).catch(() => undefined);
    }
    return { why, blockers };
  };
  let tracker = startTracking(run.timing.monotonicMs());
  let told = '';
  for (;;) {
    await run.timing.sleep(POLL_MS, wake).catch(() => undefined);
    if (stop.aborted) return { why: 'built', blockers: [] };
    if (run.signal?.aborted === true) return cancel('interrupted', []);
    const sample = await readSample(run, pid).catch((error: unknown) => {
      // A look that the server refused is a look less; without a connection there is nothing to look through.
      if (sqlStateOf(error) === undefined) throw error;
      return undefined;
    });
    if (sample === undefined) continue;
    const [next, progress] = advance(tracker, sample);
    tracker = next;
    const { blockers } = progress;
    run.emit({ event: 'index_progress', name, progress });
    const blocked = blockers.map((one) => one.pid).join();
    if (blocked !== '' && blocked !== told) run.emit({ event: 'index_waiting', name, blockers });
    told = blocked;
    if (overdue(progress, run.maxWaitMs)) return cancel('gave_up', blockers);
  }
}

function overdue(progress: BuildProgress, maxWaitMs: number | undefined): boolean {
  return maxWaitMs !== undefined && progress.waitingMs > maxWaitMs;
}

async function readSample(
  { watcher, timing }: { readonly watcher: Session; readonly timing: RunContext['timing'] },
  pid: number,
): Promise<BuildSample | undefined> {
  const [row] = await watcher.query<{
    phase: string | null;
    blocks_total: string;
    blocks_done: string;
    tuples_total: string;
    tuples_done: string;
    lockers_total: string;
    lockers_done: string;
    block_bytes: number;
    blocking: number[];
    lock_wait: boolean;
  }>(
    `SELECT p.phase,
            coalesce(p.blocks_total, 0)::text AS blocks_total, coalesce(p.blocks_done, 0)::text AS blocks_done,
            coalesce(p.tuples_total, 0)::text AS tuples_total, coalesce(p.tuples_done, 0)::text AS tuples_done,
            coalesce(p.lockers_total, 0)::text AS lockers_total, coalesce(p.lockers_done, 0)::text AS lockers_done,
            current_setting('block_size')::int AS block_bytes,
            -- Costly on a busy server (it stops the lock manager for a moment), so asked only where there is a wait.
            CASE WHEN a.wait_event_type = 'Lock' THEN pg_blocking_pids(a.pid) ELSE '{}' END AS blocking,
            a.wait_event_type IS NOT DISTINCT FROM 'Lock' AS lock_wait
       FROM pg_stat_activity a
       LEFT JOIN pg_stat_progress_create_index p ON p.pid = a.pid
      WHERE a.pid = $1 AND a.state = 'active'`,
    [pid],
  );
  if (row === undefined || (row.phase === null && !row.lock_wait)) return undefined;
  return {
    atMs: timing.monotonicMs(),
    phase: row.phase ?? undefined,
    blocksTotal: Number(row.blocks_total),
    blocksDone: Number(row.blocks_done),
    tuplesTotal: Number(row.tuples_total),
    tuplesDone: Number(row.tuples_done),
    lockersTotal: Number(row.lockers_total),
    lockersDone: Number(row.lockers_done),
    blockBytes: row.block_bytes,
    blockers: await describeSessions(watcher, row.blocking),
  };
}
