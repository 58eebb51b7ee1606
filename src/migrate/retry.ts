import { sqlStateOf } from '../store/errors.js';
import type { Blocker } from './blocker.js';
import { MigrateError } from './errors.js';
import { describeHolders, sessionsInWords, type Conflict } from './lock-holders.js';
import type { RunContext } from './run-context.js';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const SOMEBODY_ELSES_LOCKS = new Set([
  '55P03', // lock_not_available: lock_timeout
  '40P01', // deadlock_detected
]);

/** A statement that stalled live traffic for its lock_timeout lets it go for at least ten times that. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;

/** Where no --max-wait is given: long enough for a report or a backup to let go of a lock now and then. */
const DEFAULT_PATIENCE_MS = 60_000;

export interface RetryOptions {
  readonly name: string;
  readonly lockTimeoutMs: number;
  readonly patienceMs?: number;
  /** What the lock is waited for behind: to say who is in the way. */
  readonly conflict: Conflict;
}

/**
 * Does work under a short lock_timeout, again and again with growing, jittered pauses between.
 *
 * @throws MigrateError CONTENDED when the patience is over, and whatever else the work throws
 */
export async function withLockTimeout<T>(
  run: RunContext,
  options: RetryOptions,
  work: () => Promise<T>,
): Promise<T> {
  const { session, timing } = run;
  const patienceMs = options.patienceMs ?? run.maxWaitMs ?? DEFAULT_PATIENCE_MS;
  const deadline = timing.monotonicMs() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    await session.query(`SELECT set_config('lock_timeout', $1, false)`, [`${options.lockTimeoutMs}ms`]);
    try {
      return await work();
    } catch (error) {
      const sqlState = sqlStateOf(error);
      if (sqlState === undefined || !SOMEBODY_ELSES_LOCKS.has(sqlState)) throw error;
      const pauseMs = pauseBefore(attempt, timing.random());
      const blockers = await describeHolders(session, options.conflict);
      if (timing.monotonicMs() + pauseMs > deadline) {
        throw new MigrateError(
          'CONTENDED',
          `${options.name}: a lock could not be had within ${patienceMs / 1000} s, in ${attempt} tries of ` +
            `${options.lockTimeoutMs} ms${inTheWay(blockers)}. Try at a quieter time, or give a longer --max-wait.`,
          { cause: error },
        );
      }
      const reason = sqlState === '40P01' ? 'deadlock' : 'lock not available';
      run.emit({ event: 'retry', name: options.name, attempt, reason, pauseMs, blockers });
      await timing.sleep(pauseMs, run.signal);
    } finally {
      // A lost connection fails here too, and has already failed above.
      await session.query(`SELECT set_config('lock_timeout', '0', false)`).catch(() => undefined);
    }
  }
}

function inTheWay(blockers: readonly Blocker[]): string {
  return blockers.length === 0 ? '' : `; in the way: ${sessionsInWords(blockers)}`;
}

/** Doubles up to its bound; the jitter keeps two programs that retry from meeting each time. */
export function pauseBefore(attempt: number, random: number): number {
  const full = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
  return Math.round(full * (0.5 + random / 2));
}
