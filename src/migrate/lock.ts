import { createHash } from 'node:crypto';
import { DEFAULT_OWN, type Owned } from '../store/own-schema.js';
import { MigrateError } from './errors.js';
import type { Blocker } from './blocker.js';
import type { MigrateEvent } from './events.js';
import { inWords } from './preflight.js';
import type { Timing } from './run-context.js';
import type { Session } from './session.js';
import { describeSessions } from './surroundings.js';

/**
 * The advisory lock of all runners on a schema of ours, as the signed 64 bits that it takes: "CARELINK" in ASCII, and a
 * hash of any other name.
 */
function lockKeyOf({ own }: Owned): string {
  if (own === DEFAULT_OWN) return '4846245131613457995';
  return createHash('sha256').update(own).digest().readBigInt64BE().toString();
}

/** Where nothing is said: as long as a runner that was killed may go on holding it (see session.ts), and some more. */
const DEFAULT_WAIT_MS = 5_000;

/** Between two tries, jittered to between half and all of it. */
const POLL_MS = 500;

/** Granted to this or that session: a lock of 64 bits is shown in two halves, with objsubid 1. */
const HOLDS = `
  SELECT pid FROM pg_locks
   WHERE locktype = 'advisory' AND objsubid = 1 AND granted
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND (classid::int8 << 32 | objid::int8) = $1::int8`;

export interface LockOptions {
  readonly maxWaitMs: number | undefined;
  readonly timing: Timing;
  readonly signal: AbortSignal | undefined;
  readonly emit: (event: MigrateEvent) => void;
}

/**
 * Does the work while this session holds the lock of all runners.
 *
 * The lock is tried again and again rather than waited for: a session that waits inside a statement has a snapshot,
 * and CREATE INDEX CONCURRENTLY waits for all snapshots, so holder and waiter would wait for each other.
 *
 * @throws MigrateError LOCK_HELD
 */
export async function withLock<T>(
  session: Session,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const { timing } = options;
  const deadline = timing.monotonicMs() + (options.maxWaitMs ?? DEFAULT_WAIT_MS);
  for (let told = false; !(await tryLock(session)); told = true) {
    const holder = await readHolder(session);
    if (!told) options.emit({ event: 'lock_waiting', holder });
    if (timing.monotonicMs() >= deadline) throw held(holder);
    await timing.sleep(POLL_MS * (0.5 + timing.random() / 2), options.signal);
  }
  try {
    return await work();
  } finally {
    // Given back by hand: the session of the embedded PostgreSQL lives on.
    await session.query('SELECT pg_advisory_unlock($1::int8)', [lockKeyOf(session)]).catch(() => undefined);
  }
}

async function tryLock(session: Session): Promise<boolean> {
  const [row] = await session.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1::int8) AS got', [
    lockKeyOf(session),
  ]);
  return row?.got === true;
}

async function readHolder(session: Session): Promise<Blocker | undefined> {
  const rows = await session.query<{ pid: number }>(HOLDS, [lockKeyOf(session)]);
  const [holder] = await describeSessions(
    session,
    rows.map(({ pid }) => pid),
  );
  return holder;
}

function held(holder: Blocker | undefined): MigrateError {
  const who =
    holder === undefined
      ? ''
      : ` (session ${holder.pid}${holder.ageMs === undefined ? '' : `, at work for ${inWords(holder.ageMs)}`})`;
  return new MigrateError(
    'LOCK_HELD',
    `Another carelink-tokens migrate is running on this database${who}. Wait for it, or give a longer --max-wait.`,
  );
}

/**
 * Makes sure that the lock is still this session's: asked before each step.
 *
 * @throws MigrateError LOCK_LOST
 */
export async function verifyLock(session: Session): Promise<void> {
  const [row] = await session.query<{ held: boolean }>(`SELECT pg_backend_pid() IN (${HOLDS}) AS held`, [
    lockKeyOf(session),
  ]);
  if (row?.held === true) return;
  throw new MigrateError(
    'LOCK_LOST',
    'The lock of this run is gone: the session behind the connection is another one than before. ' +
      'Is there a pooler in transaction mode between? Give migrate a direct connection to PostgreSQL.',
  );
}
