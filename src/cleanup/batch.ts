import { sqlStateOf } from '../store/errors.js';
import {
  BEGIN_BATCH,
  batchSql,
  neighboursSql,
  probeSql,
  readersSql,
  unprobeSql,
  type BatchRow,
  type Cursor,
  type Cutoff,
  type NeighboursRow,
} from './batch-sql.js';
import type { Facts } from './catalog.js';
import { CleanupError } from './errors.js';
import type { Lease } from './lease.js';
import type { CleanupSession, Ending, Query } from './session.js';

export type BatchOutcome =
  /** Nothing is left beyond the cursor. */
  | { readonly kind: 'end' }
  | {
      readonly kind: 'committed';
      readonly cursor: Cursor;
      /** Looked at; those that didn't go are kept. */
      readonly seen: number;
      readonly gone: number;
      readonly freed: number;
      readonly keptIds: readonly string[];
    }
  /** Rolled back, to be tried again with fewer rows. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Rolled back, to be tried again later: it isn't about these rows. */
  | { readonly kind: 'readers'; readonly reason: string };

export interface BatchInput {
  readonly cursor: Cursor;
  readonly cutoff: Cutoff;
  readonly limit: number;
  /** Whether to give way to transactions that have only read tokens. Not for ever: there may always be one. */
  readonly heedReaders: boolean;
  readonly sleep: (ms: number) => Promise<void>;
}

/** A moment without readers is waited for so often and so long; others wait for this batch's locks meanwhile. */
const READER_POLLS = 8;
const READER_POLL_MS = 3;

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const TRY_AGAIN: Readonly<Record<string, string>> = {
  '23503': 'a row was blacklisted at this moment',
  '40P01': 'deadlock',
  '40001': 'serialization failure',
  '55P03': 'a lock was not to be had',
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
    return await session.transaction(BEGIN_BATCH, async (query) => {
      await lease.renew(query);
      return removeRows(query, facts, at);
    });
  } catch (error) {
    const reason = TRY_AGAIN[sqlStateOf(error) ?? ''];
    if (reason === undefined) throw error;
    return { kind: 'refused', reason };
  }
}

async function removeRows(query: Query, facts: Facts, at: BatchInput): Promise<Ending<BatchOutcome>> {
  const { cursor, cutoff, limit } = at;
  const [row] = await query<BatchRow>(batchSql(facts), [
    cursor.expiresAt,
    cursor.id,
    cutoff.at,
    cutoff.seconds,
    limit,
  ]);
  if (row === undefined) throw new Error('a batch answered nothing');
  if (row.last_expires_at === null || row.last_id === null) return { commit: false, value: { kind: 'end' } };
  assertSafe(row, limit);
  const hurt = row.gone === 0 ? undefined : await whoWouldBeHurt(query, facts, row, at);
  if (hurt !== undefined) return { commit: false, value: hurt };
  return {
    commit: true,
    value: {
      kind: 'committed',
      cursor: { expiresAt: row.last_expires_at, id: row.last_id },
      seen: row.seen,
      gone: row.gone,
      freed: row.freed,
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

async function whoWouldBeHurt(
  query: Query,
  facts: Facts,
  row: BatchRow,
  { heedReaders, sleep }: BatchInput,
): Promise<BatchOutcome | undefined> {
  // One session is all that PGlite is.
  if (facts.embedded) return undefined;
  const [neighbours] = await query<NeighboursRow>(neighboursSql(facts));
  if (neighbours === undefined) throw new Error('nothing was told of other sessions');
  let { waiters, readers } = neighbours;
  const look = async (text: string, values?: readonly unknown[]): Promise<void> => {
    const [found] = await query<Partial<NeighboursRow>>(text, values);
    waiters = found?.waiters ?? 0;
    readers = found?.readers ?? readers;
  };
  for (let polls = 0; heedReaders && readers && waiters === 0 && polls < READER_POLLS; polls++) {
    await sleep(READER_POLL_MS);
    await look(readersSql(facts));
  }
  if (waiters === 0 && heedReaders && readers) {
    return { kind: 'readers', reason: 'open transactions have read tokens, and may blacklist one' };
  }
  if (waiters === 0 && neighbours.writers && row.unlisted !== null) {
    await query(probeSql(facts), [row.unlisted]);
    await look(unprobeSql(facts), [row.unlisted]);
  }
  return waiters === 0 ? undefined : { kind: 'refused', reason: 'another session waits for these rows' };
}
