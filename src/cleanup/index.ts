import { setTimeout as sleep } from 'node:timers/promises';
import { isConnectionError } from '../store/connect-failure.js';
import { NotConnectedError, SchemaError, sqlStateOf } from '../store/errors.js';
import type { Owned } from '../store/own-schema.js';
import { readRowDates } from '../store/row-dates.js';
import { checkAudit, countOldAudit, removeAudit } from './audit.js';
import { glanceAtBacklog, readCutoff } from './backlog.js';
import { readFacts, type Facts } from './catalog.js';
import { dryRun, type DryRun } from './dry-run.js';
import { CleanupError } from './errors.js';
import type { CleanupEvent, Summary } from './events.js';
import { sinceLastFinish, takeLease, type LeaseTiming } from './lease.js';
import type { PaceSettings } from './pace.js';
import { readRoom } from './room.js';
import { run } from './run.js';
import type { CleanupSession, Query } from './session.js';
import { vacuum, vacuumPays, type Skipped } from './vacuum.js';

export { CleanupError } from './errors.js';
export type { CleanupEvent, Summary } from './events.js';
export type { DryRun } from './dry-run.js';
export { openCleanupSession, sharedCleanupSession, type CleanupSession } from './session.js';

export interface CleanupOptions {
  /** A row goes once its token has been expired this long; never sooner than leeway + 5 min. */
  readonly retentionMs: number;
  /** By how much clocks may differ when a token expires: that of the servers. */
  readonly leewayMs: number;
  /** The claim that says until when a sliding token can be extended; undefined: `refresh_exp`. */
  readonly slidingEnd?: string | undefined;
  /** How much longer than their rows say tokens may live; undefined: as long as rows show. */
  readonly extraLifetimeMs?: number | undefined;
  /** Undefined: steered by the target. */
  readonly batchSize: number | undefined;
  readonly targetBatchMs: number;
  /** Rest for each millisecond of work. */
  readonly nice: number;
  readonly maxRows?: number | undefined;
  readonly maxDurationMs?: number | undefined;
  readonly vacuum: 'auto' | 'off';
  /** How long a row of the audit is kept; undefined: for ever. */
  readonly auditRetentionMs?: number | undefined;
  /** Standbys that may be behind, by their application_name. */
  readonly ignoredStandbys?: readonly string[] | undefined;
  readonly onEvent?: (event: CleanupEvent) => void;
  /** Finishes the batch that is under way, and ends. */
  readonly signal?: AbortSignal | undefined;
}

/** Whatever is asked: a token that has just expired may be on its way, or be judged by a clock that is behind. */
const SAFETY_MS = 5 * 60_000;

const TIMING: LeaseTiming = {
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
};

type AgeOptions = Pick<CleanupOptions, 'retentionMs' | 'leewayMs' | 'extraLifetimeMs' | 'slidingEnd'>;

/**
 * How long ago a row must say that its token has expired for it to go. Django blacklists by the row alone: where tokens of
 * a site outlive their rows, one that was logged out there may be alive for as much longer.
 */
async function readAge(query: Query, facts: Facts, options: AgeOptions): Promise<Age> {
  const { retentionMs, leewayMs } = options;
  const measured = async (): Promise<number> =>
    facts.embedded ? 0 : 1_000 * ((await readRowDates(query, facts))?.extraSeconds ?? 0);
  const extraMs = options.extraLifetimeMs ?? (await measured());
  return { ageMs: Math.max(retentionMs, leewayMs + SAFETY_MS) + extraMs, extraMs };
}

interface Age {
  readonly ageMs: number;
  readonly extraMs: number;
}

/**
 * Removes expired tokens, as the one runner on this database.
 *
 * @throws CleanupError | SchemaError
 */
export async function cleanUp(session: CleanupSession, options: CleanupOptions): Promise<Summary> {
  const emit = options.onEvent ?? (() => undefined);
  return told(async () => {
    const facts = { ...(await session.look(readFacts)), slidingEnd: options.slidingEnd };
    if (facts.homeUnwritten) emit({ event: 'home_unwritten' });
    if (facts.following.length > 0) emit({ event: 'others_follow', keys: facts.following });
    const audit = await auditOf(session, facts, options, emit);
    const startedAtMs = TIMING.monotonicMs();
    const lease = await takeLease(session, facts, TIMING, options.signal);
    let summary: Summary | undefined;
    try {
      const { batchSize, targetBatchMs, nice, maxRows, maxDurationMs, signal } = options;
      const pace = { batchSize, targetBatchMs, nice };
      const age = await readAge(session.query, facts, options);
      summary = await run(session, facts, lease, {
        pace,
        ...age,
        maxRows,
        maxDurationMs,
        ignoredStandbys: options.ignoredStandbys ?? [],
        timing: TIMING,
        emit,
        signal,
      });
      if (audit !== undefined && summary.ended === 'done') {
        const auditDeleted = await removeAudit(session, facts, lease, {
          retentionMs: audit,
          pace,
          maxRows: (maxRows ?? Infinity) - summary.deleted,
          giveUpMs: startedAtMs + (maxDurationMs ?? Infinity),
          timing: TIMING,
          emit,
          signal,
        });
        summary = { ...summary, auditDeleted };
      }
    } finally {
      // Before the VACUUM: the next runner needn't wait for that. A lost connection has told itself already.
      await lease.release(summary?.ended === 'done').catch(() => undefined);
    }
    const wanted = options.vacuum === 'auto' && summary.ended !== 'interrupted';
    if (!wanted || !(await vacuumPays(session, facts, summary.deleted))) return summary;
    emit({ event: 'vacuum_started' });
    const startedMs = TIMING.monotonicMs();
    let skipped: readonly Skipped[];
    try {
      // Where all is one session, whoever waits for it waits for its rests, too.
      skipped = await vacuum(session, facts, options.nice > 0 && !facts.embedded);
    } catch (error) {
      // What was asked for is done; the next run, or autovacuum, makes up for it.
      emit({ event: 'vacuum_failed', reason: sqlStateOf(error) ?? 'connection lost' });
      return summary;
    }
    const vacuumMs = Math.round(TIMING.monotonicMs() - startedMs);
    emit({ event: 'vacuum_finished', durationMs: vacuumMs, skipped });
    const room = facts.embedded ? [] : await readRoom(session, facts);
    return { ...summary, vacuumMs, room };
  });
}

/** How long the audit is kept; undefined: nothing of it is to go. */
async function auditOf(
  session: CleanupSession,
  facts: Facts,
  { auditRetentionMs }: Pick<CleanupOptions, 'auditRetentionMs'>,
  emit: (event: CleanupEvent) => void,
): Promise<number | undefined> {
  if (auditRetentionMs === undefined) return undefined;
  if (await checkAudit(session.query, facts)) return auditRetentionMs;
  emit({ event: 'audit_missing' });
  return undefined;
}

/**
 * What a cleanup would do. Changes nothing.
 *
 * @throws CleanupError
 */
export async function surveyCleanup(
  session: CleanupSession,
  options: AgeOptions & PaceSettings & Pick<CleanupOptions, 'auditRetentionMs'>,
): Promise<DryRun> {
  return told(async () => {
    const facts = {
      ...(await session.look((query) => readFacts(query, false))),
      slidingEnd: options.slidingEnd,
    };
    const age = await readAge(session.query, facts, options);
    const { nice, batchSize, targetBatchMs } = options;
    const pace = { nice, batchSize, targetBatchMs };
    const told = await dryRun(session, facts, { ...age, pace, monotonicMs: TIMING.monotonicMs });
    const audit = await auditOf(session, facts, options, () => undefined);
    if (audit === undefined) return told;
    return { ...told, auditWouldDelete: await countOldAudit(session.query, facts, audit) };
  });
}

/**
 * How many rows a cleanup would find past their retention; beyond some ten thousands PostgreSQL's own estimate.
 *
 * @throws CleanupError
 */
export async function countBacklog(session: CleanupSession, options: AgeOptions): Promise<number> {
  return told(async () => {
    const facts = {
      ...(await session.look((query) => readFacts(query, false))),
      slidingEnd: options.slidingEnd,
    };
    const cutoff = await readCutoff(session.query, (await readAge(session.query, facts, options)).ageMs);
    return glanceAtBacklog(session.query, facts, cutoff);
  });
}

/** How long ago a run ended well, on the database's clock; undefined: never, or nobody knows. */
export async function sinceLastCleanup(session: CleanupSession, owned: Owned): Promise<number | undefined> {
  return sinceLastFinish(session.query, owned).catch(() => undefined);
}

/** Errors of `pg` may hold values in their details; their messages name objects, and tell what is wrong. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CleanupError || error instanceof SchemaError || error instanceof NotConnectedError)
      throw error;
    const cause = { cause: error };
    if (isConnectionError(error)) {
      throw new CleanupError(
        'CONNECTION_LOST',
        'The connection to PostgreSQL broke. What was finished is kept; run it again, and it goes on from there.',
        cause,
      );
    }
    if (sqlStateOf(error) === undefined) throw error;
    throw new CleanupError('REFUSED', `PostgreSQL refused it: ${(error as Error).message}.`, cause);
  }
}
