import {
  cleanUp,
  CleanupError,
  countBacklog,
  openCleanupSession,
  sharedCleanupSession,
  sinceLastCleanup,
  type CleanupSession,
} from '../cleanup/index.js';
import type { CleanupSettings, ServeSettings } from '../config/settings.js';
import { describeError } from '../observe/errors.js';
import type { Log } from '../observe/log.js';
import type { MetricsSink } from '../observe/metrics.js';
import { SchemaError } from '../store/errors.js';
import type { Owned } from '../store/own-schema.js';
import type { PgDatabase } from '../store/pool.js';
import { applyMigrations, checkTableless } from '../migrate/index.js';
import { databaseTarget } from './database-target.js';
import { Backlog } from './backlog.js';
import { toCommandError } from './command-errors.js';
import { openEmbedded } from './embedded.js';
import { ReleaseStack } from './release.js';

/**
 * Does the work of the command `cleanup` on its database: the one by URL, or the embedded one, started for it and
 * stopped afterwards.
 *
 * @throws CommandError with what to do about it, or what the work throws
 */
export async function onCleanupDatabase<T>(
  settings: CleanupSettings,
  work: (session: CleanupSession) => Promise<T>,
): Promise<T> {
  const releases = new ReleaseStack();
  try {
    let connection: Parameters<typeof openCleanupSession>[0];
    if (settings.database.kind === 'url') {
      connection = databaseTarget(settings.database);
    } else {
      const embedded = await openEmbedded(settings.database.dataDir, 'cleanup', releases);
      // Nobody but this tool is in charge of it.
      await applyMigrations(embedded.connection, { createTables: true });
      connection = embedded.connection;
    }
    const session = await openCleanupSession(connection);
    releases.add(() => session.close());
    return await work(session);
  } catch (error) {
    throw toCommandError(error, settings.database);
  } finally {
    await releases.release();
  }
}

/**
 * Of a site without token tables: they must not be there.
 *
 * @throws CommandError TABLES_THERE
 */
export async function checkNothingToCleanUp(settings: CleanupSettings): Promise<void> {
  const releases = new ReleaseStack();
  try {
    const { database } = settings;
    const connection =
      database.kind === 'url'
        ? databaseTarget(database)
        : (await openEmbedded(database.dataDir, 'cleanup', releases)).connection;
    await checkTableless(connection);
  } catch (error) {
    throw toCommandError(error, settings.database);
  } finally {
    await releases.release();
  }
}

/** As often as invalid indexes are looked for: an alert that has been dealt with is to end, whoever dealt with it. */
const LOOK_EVERY_MS = 60_000;

/** After a start there is more urgent work than what has lain about for a week. */
const FIRST_AFTER_MS = 60_000;

/** Cleans up beside a server, again and again, until it is released. Tells log and metrics; never throws. */
export function cleanUpBeside(
  settings: ServeSettings,
  database: PgDatabase,
  owned: Owned,
  metrics: MetricsSink,
  log: Log,
  releases: ReleaseStack,
): void {
  const { cleanup } = settings;
  if (cleanup === undefined) return;
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const backlog = new Backlog({
    count: () => countBacklog(sharedCleanupSession(database), cleanup),
    tell: (rows) => metrics.onCleanupBacklog(rows),
  });
  void backlog.look();
  const looking = setInterval(() => void backlog.look(), Math.min(LOOK_EVERY_MS, cleanup.everyMs)).unref();
  const schedule = (ms: number): void => {
    timer = setTimeout(() => {
      const startedMs = performance.now();
      running = once().then(() => {
        if (!stopping.signal.aborted) {
          schedule(Math.max(0, cleanup.everyMs - (performance.now() - startedMs)));
        }
      });
    }, ms).unref();
  };
  const once = async (): Promise<void> => {
    let session: CleanupSession | undefined;
    try {
      session =
        settings.database.kind === 'url'
          ? await openCleanupSession(databaseTarget(settings.database), () => metrics.onStatement('cleanup'))
          : sharedCleanupSession(database);
      await round(session, owned, cleanup, backlog, metrics, log, stopping.signal);
    } catch (error) {
      if (error instanceof CleanupError && error.code === 'LEASE_HELD') {
        log.info('cleanup_elsewhere');
      } else if (!stopping.signal.aborted) {
        const told = error instanceof CleanupError || error instanceof SchemaError;
        const cause = told ? { cause: error.message } : {};
        metrics.onCleanupEnd('failed');
        log.error('cleanup_failed', { ...describeError(error), ...cause });
      }
    } finally {
      backlog.end();
      await session?.close();
    }
  };
  // A share of it, so that instances that are started together don't come together.
  schedule(Math.min(FIRST_AFTER_MS, cleanup.everyMs) * Math.random());
  releases.add(() => {
    stopping.abort();
    clearTimeout(timer);
    clearInterval(looking);
    return running;
  });
}

async function round(
  session: CleanupSession,
  owned: Owned,
  cleanup: NonNullable<ServeSettings['cleanup']>,
  backlog: Backlog,
  metrics: MetricsSink,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  // With a schedule in each of many instances, one of them is enough.
  const sinceMs = await sinceLastCleanup(session, owned);
  if (sinceMs !== undefined && sinceMs < cleanup.everyMs / 2) {
    metrics.onCleanupEnd('elsewhere');
    return;
  }
  let found = 0;
  let deleted = 0;
  const count = (total: number): void => {
    metrics.onCleanupDeleted(total - deleted);
    deleted = total;
  };
  const summary = await cleanUp(session, {
    ...cleanup,
    signal,
    onEvent(event) {
      if (event.event === 'started') backlog.begin((found = event.backlogRows));
      if (event.event === 'progress') {
        count(event.deleted);
        // A long run is not to look like one that does nothing.
        backlog.left(Math.max(0, found - deleted));
      }
      if (event.event === 'pressure') log.info('cleanup_pressure', { cause: event.reasons.join('; ') });
    },
  });
  count(summary.deleted);
  backlog.left(summary.backlogRows);
  metrics.onCleanupEnd('done');
  const { kept, durationMs, ended } = summary;
  log.info('cleaned_up', { rows: deleted, count: kept, duration_ms: durationMs, end: ended });
  if (kept > 0) {
    log.warn('cleanup_kept', {
      count: kept,
      cause: 'rows past their retention whose stored JWT expires later, or can not be read',
    });
  }
}
