import { MigrateError } from './errors.js';
import type { Session } from './session.js';

/** The advisory lock of all runners on a database: "CARELINK" in ASCII, as PostgreSQL's signed 64 bits. */
const LOCK_KEY = '4846245131613457995';

/** How long a runner waits for another where nothing is said: a killed one's session is gone within 2 s. */
const DEFAULT_WAIT_MS = 5_000;

/** Between two tries, jittered to between half and all of it. */
const POLL_MS = 500;

export interface LockOptions {
  readonly maxWaitMs: number | undefined;
  readonly monotonicMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly random: () => number;
}

/**
 * Does the work while this session holds the lock of all runners.
 *
 * The lock is tried again and again rather than waited for: a session that waits inside a statement has a snapshot,
 * and CREATE INDEX CONCURRENTLY waits for all snapshots, so holder and waiter would wait for each other.
 */
export async function withLock<T>(
  session: Session,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const deadline = options.monotonicMs() + (options.maxWaitMs ?? DEFAULT_WAIT_MS);
  while (!(await tryLock(session))) {
    if (options.monotonicMs() >= deadline) {
      throw new MigrateError(
        'LOCK_HELD',
        'Another carelink-tokens migrate is running on this database. Wait for it, or give --max-wait.',
      );
    }
    await options.sleep(POLL_MS * (0.5 + options.random() / 2));
  }
  try {
    return await work();
  } finally {
    // Given back by hand: the session of the embedded PostgreSQL lives on.
    await session.query('SELECT pg_advisory_unlock($1::bigint)', [LOCK_KEY]).catch(() => undefined);
  }
}

async function tryLock(session: Session): Promise<boolean> {
  const [row] = await session.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1::bigint) AS got', [
    LOCK_KEY,
  ]);
  return row?.got === true;
}

/**
 * Makes sure that the lock is still this session's: asked before each step.
 *
 * @throws MigrateError LOCK_LOST, as where a pooler has handed the connection another session
 */
export async function verifyLock(session: Session): Promise<void> {
  const [row] = await session.query<{ held: boolean }>(
    `SELECT EXISTS (
       SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND pid = pg_backend_pid() AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (classid::bigint << 32 | objid::bigint) = $1::bigint) AS held`,
    [LOCK_KEY],
  );
  if (row?.held !== true) {
    throw new MigrateError(
      'LOCK_LOST',
      'The lock of this run is gone: the connection is not the session it was. ' +
        'Is there a pooler in transaction mode between? Give migrate a direct connection to PostgreSQL.',
    );
  }
}
