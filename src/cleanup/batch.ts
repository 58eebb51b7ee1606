import { sqlStateOf } from '../store/errors.js';
import { BEGIN_BATCH, batchSql, type BatchRow, type Cursor, type Cutoff } from './batch-sql.js';
import type { Facts } from './catalog.js';
import { CleanupError } from './errors.js';
import type { Lease } from './lease.js';
import { commitUnlessHurting } from './neighbours.js';
import type { Took } from './pace.js';
import { timed, type CleanupSession, type Ending, type Query } from './session.js';

export type BatchOutcome =
  /** Nothing is left beyond the cursor. */
  | { readonly kind: 'end' }
  | {
      readonly kind: 'committed';
      readonly took: Took;
      readonly cursor: Cursor;
      /** Looked at; those that didn't go are kept. */
      readonly seen: number;
      readonly gone: number;
      readonly freed: number;
      /** Left to the next run, for somebody holds on to them. */
      readonly heldIds: readonly string[];
      readonly keptIds: readonly string[];
    }
  /** Rolled back, to be tried again: without the rows that others hold on to, else with fewer. */
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly locks: boolean;
      /** A trigger of the site's raised it: it will the next time, too. */
      readonly byTrigger?: boolean;
    }
  /** Rolled back, to be tried again later: it isn't about these rows. */
  | { readonly kind: 'readers'; readonly reason: string };

export interface BatchInput {
  readonly cursor: Cursor;
  readonly cutoff: Cutoff;
  readonly limit: number;
  /** Leave the rows that others have locked. */
  readonly skipHeld: boolean;
  /** Whether to give way to transactions that have only read tokens. Not for ever: there may always be one. */
  readonly heedReaders: boolean;
  /** Transactions that have read tokens, and are known to be no request: see readers.ts. */
  readonly settledReaders: readonly string[];
  readonly sleep: (ms: number) => Promise<void>;
  readonly monotonicMs: () => number;
}

const GAVE_WAY = {
  waiter: { kind: 'refused', reason: 'another session waits for these rows', locks: false },
  reader: { kind: 'readers', reason: 'open transactions have read tokens, and may blacklist one' },
} as const;

const LOCKED = '55P03';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const TRY_AGAIN: Readonly<Record<string, string>> = {
  '23503': 'a row was blacklisted at this moment',
  '40P01': 'deadlock',
  '40001': 'serialization failure',
  [LOCKED]: 'a lock was not to be had',
  '57014': 'it took too long',
};

/**
 * Removes up to `limit` rows beyond the cursor: one short transaction over both tables.
 *
 * Before it commits it looks whether anybody is about to blacklist one of its rows, and gives way: Django would get a
 * foreign key error at its commit otherwise.
 *
 * @throws CleanupError UNSAFE | LEASE_LOST, or the error of `pg`
 */
export async function runBatch(
  session: CleanupSession,
  facts: Facts,
  lease: Lease,
  at: BatchInput,
): Promise<BatchOutcome> {
  try {
    const { value, took } = await timed(session, BEGIN_BATCH, at.monotonicMs, async (query) => {
      await lease.renew(query);
      return removeRows(query, facts, at);
    });
    return value.kind === 'committed' ? { ...value, took } : value;
  } catch (error) {
    const reason = TRY_AGAIN[sqlStateOf(error) ?? ''];
    const trigger = raisedBy(error);
    if (trigger !== undefined) return { kind: 'refused', reason: trigger, locks: false, byTrigger: true };
    if (reason === undefined) throw error;
    return { kind: 'refused', reason, locks: sqlStateOf(error) === LOCKED };
  }
}

/**
 * The function that raised an error, by its context; undefined: it wasn't one. The text of the error is the site's, and may
 * hold a token: it is not told.
 */
function raisedBy(error: unknown): string | undefined {
  const where = error instanceof Error && 'where' in error ? String(error.where) : '';
  const state = sqlStateOf(error);
  const [, name] = /^PL\/\w+ function ([\w."]+)\(/m.exec(where) ?? [];
  if (name === undefined || state === undefined || state === LOCKED || /^(40|57)/.test(state))
    return undefined;
  return `the trigger function ${name} refused it (${state})`;
}

/** A batch before its time is known. */
type Removal = Exclude<BatchOutcome, { kind: 'committed' }> | Omit<Committed, 'took'>;

type Committed = Extract<BatchOutcome, { kind: 'committed' }>;

async function removeRows(
  query: Query,
  facts: Facts,
  at: BatchInput,
): Promise<Ending<Removal> & { readonly workedMs: number }> {
  const { cursor, cutoff, limit } = at;
  const [row] = await query<BatchRow>(batchSql(facts, at.skipHeld), [
    cursor.expiresAt,
    cursor.id,
    cutoff.at,
    cutoff.seconds,
    limit,
  ]);
  if (row === undefined) throw new Error('a batch answered nothing');
  if (row.last_expires_at === null || row.last_id === null)
    return { end: 'rollback', value: { kind: 'end' }, workedMs: row.worked_ms };
  assertSafe(row, limit);
  // One session is all that PGlite is.
  const alone = facts.embedded || row.gone === 0;
  let workedMs = row.worked_ms;
  if (!alone) {
    const commit = await commitUnlessHurting(query, facts, row.unlisted ?? [], at);
    workedMs += commit.workedMs;
    if (commit.hurt !== undefined) return { end: 'rollback', value: GAVE_WAY[commit.hurt], workedMs };
  }
  return {
    end: alone ? 'commit' : 'committed',
    workedMs,
    value: {
      kind: 'committed',
      cursor: { expiresAt: row.last_expires_at, id: row.last_id },
      seen: row.seen,
      gone: row.gone,
      freed: row.freed,
      heldIds: row.held ?? [],
      keptIds: row.kept ?? [],
    },
  };
}

/** What must be so whatever the statement's text is: the last look before a commit that can't be taken back. */
function assertSafe({ younger, freed, gone, seen }: BatchRow, limit: number): void {
  if (younger === 0 && freed <= gone && gone <= seen && seen <= limit) return;
  throw new CleanupError(
    'UNSAFE',
    `A batch would have removed what must stay (${gone} of ${seen} rows, ${younger} of them too young, ${freed} ` +
      'blacklist rows). It was rolled back, and the cleanup has stopped. Please report this; until then leave it off.',
  );
}
