import { setTimeout as sleep } from 'node:timers/promises';
import { afterBatch, afterRefusal, pauseAfter, startPace, type PaceSettings } from '../cleanup/pace.js';
import { judge, NO_PRESSURE } from '../cleanup/pressure.js';
import { timed, type CleanupSession, type Query } from '../cleanup/session.js';
import { Surroundings } from '../cleanup/surroundings.js';
import { isConnectionError } from '../store/connect-failure.js';
import { NotConnectedError, sqlStateOf } from '../store/errors.js';
import type { TokenSchema } from '../store/schema.js';
import { BEGIN_REVOKE } from './batch-sql.js';
import { RevokeError } from './errors.js';

export interface PacedOptions {
  readonly pace: PaceSettings;
  readonly signal: AbortSignal | undefined;
  /** Told after each batch, and when others slow it down. */
  readonly onBatch: (revoked: number) => void;
  readonly onPressure: (reasons: readonly string[]) => void;
}

export interface Tally {
  revoked: number;
  batches: number;
  retries: number;
  interrupted: boolean;
}

/** Where the cleanup stops, a revocation only goes slowly: putting it off would keep somebody in. */
const SLOWEST = 10;

/** As often as the cleanup looks around. */
const LOOK_EVERY_MS = 1_000;

/** Somebody else's locks; https://www.postgresql.org/docs/current/errcodes-appendix.html */
const TRY_AGAIN = new Set(['23503', '40P01', '40001', '55P03', '57014']);
const MOST_RETRIES = 100;
const RETRY_PAUSE_MS = 50;

/** A failover, or an administrator who ends sessions: the next connection is tried. */
const MOST_RECONNECTS = 5;
const RECONNECT_PAUSE_MS = 1_000;

/** Of one batch: how many rows were looked at, how many it revoked, what they cost, and whether it was the last one. */
export interface BatchEnd<Cursor> {
  readonly seen: number;
  readonly won: number;
  readonly workedMs: number;
  readonly last: boolean;
  /** Where the next batch begins, once this one is committed. */
  readonly next: Cursor;
}

/**
 * Batch after batch at the cleanup's pace: its size is steered by its time, and after each it rests.
 *
 * @throws RevokeError CONTENDED | CONNECTION_LOST, or the error of `pg`
 */
export async function paced<Cursor>(
  session: CleanupSession,
  schema: TokenSchema,
  options: PacedOptions,
  start: Cursor,
  batch: (query: Query, limit: number, cursor: Cursor) => Promise<BatchEnd<Cursor>>,
): Promise<Tally> {
  const tally: Tally = { revoked: 0, batches: 0, retries: 0, interrupted: false };
  const surroundings = new Surroundings(session.query, schema, () => performance.now());
  let pressure = NO_PRESSURE;
  let lookedAtMs = performance.now();
  let pace = startPace(options.pace);
  let cursor = start;
  const refused = (): void => {
    tally.retries++;
    pace = afterRefusal(pace);
  };
  await surroundings.calibrate();
  for (;;) {
    if (options.signal?.aborted === true) return { ...tally, interrupted: true };
    if (performance.now() - lookedAtMs >= LOOK_EVERY_MS) {
      pressure = judge(await surroundings.read());
      lookedAtMs = performance.now();
      if (pressure.reasons.length > 0) options.onPressure(pressure.reasons);
    }
    const { value: end, took } = await insist(
      () =>
        timed(
          session,
          BEGIN_REVOKE,
          () => performance.now(),
          async (query) => {
            const value = await batch(query, pace.size, cursor);
            return { end: 'commit', value, workedMs: value.workedMs };
          },
        ),
      refused,
    );
    cursor = end.next;
    tally.batches++;
    tally.revoked += end.won;
    options.onBatch(tally.revoked);
    if (end.last) return tally;
    pace = afterBatch(options.pace, pace, end.seen, took);
    const pauseMs = pauseAfter(options.pace, pace, took.ms, Math.min(SLOWEST, pressure.slowdown));
    await sleep(pauseMs, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(
      () => undefined,
    );
  }
}

/**
 * Does a transaction again that met somebody else, or lost its connection: what it had done is looked for anew.
 *
 * @throws RevokeError CONTENDED | CONNECTION_LOST, NotConnectedError, or the error of `pg`
 */
export async function insist<T>(transaction: () => Promise<T>, onRefused: () => void): Promise<T> {
  for (let refused = 0, lost = 0; ;) {
    try {
      return await transaction();
    } catch (error) {
      const away = error instanceof NotConnectedError;
      if (away || isConnectionError(error)) {
        if (++lost > MOST_RECONNECTS) throw away ? error : connectionLost(error);
        await sleep(RECONNECT_PAUSE_MS);
        continue;
      }
      if (!TRY_AGAIN.has(sqlStateOf(error) ?? '')) throw error;
      if (++refused > MOST_RETRIES) throw contended(error);
      onRefused();
      await sleep(RETRY_PAUSE_MS);
    }
  }
}

function connectionLost(cause: unknown): RevokeError {
  return new RevokeError(
    'CONNECTION_LOST',
    'The connection to PostgreSQL broke. What was finished is kept; run it again for the rest.',
    { cause },
  );
}

function contended(cause: unknown): RevokeError {
  return new RevokeError(
    'CONTENDED',
    `${MOST_RETRIES} tries one after the other met somebody else's locks. Is there a lock on the whole table? What was ` +
      'finished is kept; run it again.',
    { cause },
  );
}
