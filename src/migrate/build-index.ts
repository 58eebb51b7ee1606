import { sqlStateOf } from '../store/errors.js';
import { readIndexes, type TableFacts } from './catalog.js';
import type { IndexFacts } from './coverage.js';
import { dropConflict, dropIndex } from './drop-index.js';
import { MigrateError } from './errors.js';
import type { Blocker } from './blocker.js';
import type { Migration } from './files.js';
import { describeHolders, lockHolders } from './lock-holders.js';
import { pauseBefore } from './retry.js';
import type { RunContext } from './run-context.js';
import { describeSessions } from './surroundings.js';
import { watchBuild, type WatchEnd } from './watch.js';

/** A build that was the victim of a deadlock begins anew: whoever it met has gone on by then. */
const MAX_ATTEMPTS = 5;
const DEADLOCK = '40P01';
/** There is a relation of that name, and it is no index of this table, or it would have been found. */
const DUPLICATE_TABLE = '42P07';

/** Live traffic holds its locks for milliseconds; what holds one this long may do so for hours. */
const HOLDER_AGE_MS = 1_000;
const POLL_MS = 250;

const BUILT: WatchEnd = { why: 'built', blockers: [] };

/**
 * Builds one index CONCURRENTLY, and leaves either a valid one or none.
 *
 * The statement runs without lock_timeout: its waits (for writers, for old snapshots) count as lock waits and would
 * end it, though they stall nobody. The bound is --max-wait, kept by the watcher.
 *
 * @throws MigrateError GAVE_UP or INTERRUPTED, after tidying; and the error of `pg` where the build was refused
 */
export async function buildIndex(
  run: RunContext,
  migration: Migration,
  table: TableFacts,
): Promise<IndexFacts> {
  const { name } = migration;
  for (let attempt = 1; ; attempt++) {
    await removeLeftover(run, name, table);
    await waitForHolders(run, name, table);
    // What came before goes on to its end; what has not begun is not begun any more.
    run.signal?.throwIfAborted();
    const { end, error } = await attemptBuild(run, migration);
    if (error === undefined) {
      const built = await findIndex(run, name, table);
      if (built?.valid === true) return built;
      throw new Error(`${name} was built and is not valid`);
    }
    // Without a state of the server's the connection is gone, and with it all that could be tidied from here.
    if (sqlStateOf(error) === undefined) throw error;
    await removeLeftover(run, name, table);
    if (end.why === 'interrupted') throw new MigrateError('INTERRUPTED', `${name}: interrupted.`);
    if (end.why === 'gave_up') throw gaveUp(run, name, end.blockers);
    if (sqlStateOf(error) === DUPLICATE_TABLE) throw nameTaken(name, error);
    if (sqlStateOf(error) !== DEADLOCK || attempt === MAX_ATTEMPTS) throw error;
    const pauseMs = pauseBefore(attempt, run.timing.random());
    run.emit({ event: 'retry', name, attempt, reason: 'deadlock', pauseMs, blockers: [] });
    await run.timing.sleep(pauseMs, run.signal);
  }
}

async function attemptBuild(
  run: RunContext,
  migration: Migration,
): Promise<{ readonly end: WatchEnd; readonly error: Error | undefined }> {
  const { session, watcher } = run;
  const [row] = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const stop = new AbortController();
  const watching =
    watcher === undefined || row === undefined
      ? Promise.resolve(BUILT)
      : watchBuild({ ...run, watcher }, migration.name, row.pid, stop.signal).catch((cause: unknown) => {
          // The build itself is well, and is finished unwatched rather than thrown away.
          const state = sqlStateOf(cause);
          const reason =
            state === undefined
              ? 'the second connection was lost'
              : `PostgreSQL refused the second connection (${state})`;
          run.emit({ event: 'unwatched', reason });
          return BUILT;
        });
  const error = await session.query(migration.sql).then(
    () => undefined,
    (cause: unknown) => (cause instanceof Error ? cause : new Error('the build failed', { cause })),
  );
  stop.abort();
  const end = await watching;
  // A cancel that came just too late for the build would hit the next statement: it is given one to hit.
  if (end.why !== 'built') {
    await session.query('SELECT pg_sleep(0.1)').catch(() => undefined);
  }
  return { end, error };
}

async function findIndex(run: RunContext, name: string, table: TableFacts): Promise<IndexFacts | undefined> {
  const indexes = await readIndexes(run.session, [table.oid]);
  return indexes.find((index) => index.name === name);
}

/** Drops an invalid index of the name. A valid one isn't touched. */
async function removeLeftover(run: RunContext, name: string, table: TableFacts): Promise<void> {
  const index = await findIndex(run, name, table);
  if (index === undefined || index.valid) return;
  if (await dropIndex(run, index)) {
    run.emit({ event: 'leftover_dropped', name });
    return;
  }
  const blockers = await describeHolders(run.session, dropConflict(index));
  run.emit({ event: 'leftover_stays', name, blockers });
  throw gaveUp(
    run,
    name,
    blockers,
    ' An invalid index of this name is left until then: the next run removes it.',
  );
}

/**
 * With a bound on waiting, a build isn't even begun while a transaction holds on to the table: the build would wait
 * for it, and after giving up the half-made index could not be removed until that transaction ends.
 */
async function waitForHolders(run: RunContext, name: string, table: TableFacts): Promise<void> {
  if (run.maxWaitMs === undefined || run.watcher === undefined) return;
  const { timing } = run;
  const startedMs = timing.monotonicMs();
  const anyLock = { tables: [table.name], from: 'AccessShareLock' } as const;
  let holders = await lockHolders(run.session, anyLock);
  let told = '';
  while (holders.size > 0) {
    const waitedMs = timing.monotonicMs() - startedMs;
    if (waitedMs >= HOLDER_AGE_MS) {
      const blockers = await describeSessions(run.session, [...holders.values()]);
      const pids = blockers.map(({ pid }) => pid).join();
      if (pids !== told) run.emit({ event: 'index_waiting', name, blockers });
      told = pids;
      if (waitedMs >= run.maxWaitMs) throw gaveUp(run, name, blockers);
    }
    await timing.sleep(POLL_MS, run.signal);
    const now = await lockHolders(run.session, anyLock);
    holders = new Map([...holders].filter(([transaction]) => now.has(transaction)));
  }
}

function nameTaken(name: string, cause: Error): MigrateError {
  return new MigrateError(
    'MIGRATION_FAILED',
    `${name}: something else in the schema has that name, and it isn't on this table. Rename or drop it, and run this again.`,
    { cause },
  );
}

function gaveUp(run: RunContext, name: string, blockers: readonly Blocker[], more = ''): MigrateError {
  const who = blockers.length === 0 ? '' : ` (session ${blockers.map(({ pid }) => pid).join(', ')})`;
  const limit = run.maxWaitMs === undefined ? '' : ` for longer than --max-wait, ${run.maxWaitMs / 1000} s`;
  return new MigrateError(
    'GAVE_UP',
    `${name}: other transactions${who} stood in the way${limit}. Run it again when they have ended.${more}`,
  );
}
