import { StoreUnavailableError, type Claim, type Written } from '../rotation/ports.js';
import type { OnSharedStatement } from '../rotation/span.js';
import { claimValues, rowEnds } from './claim-values.js';
import type { Database } from './database.js';
import { isOfTheRow, sqlStateOf } from './errors.js';
import { GroupQueue } from './group-queue.js';
import { inOrder } from './in-order.js';
import { arrayLiteral } from './quote.js';
import { ORDINARY_DATES, type RowDates } from './row-dates.js';
import type { TokenSchema } from './schema.js';
import { isUserGone } from './user-gone.js';
import { passwordHashValues } from './who-sql.js';
import { writeBehindSql, type WrittenRow } from './write-behind-sql.js';

export interface WriteBehindOptions {
  readonly database: Database;
  readonly schema: TokenSchema;
  readonly dates?: () => RowDates;
  /** The hash of the password that a token holds; asked only where passwords are compared. */
  readonly passwordHashOf?: ((token: string) => string | undefined) | undefined;
  readonly maxQueued: number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  readonly onBatch: (size: number) => void;
  readonly onStatement?: OnSharedStatement | undefined;
}

/** Rows a statement at most: each claim is two or three. */
const MAX_BATCH = 1_000;

/** Rows that keep coming and going under the statement: each try needs another to interfere. */
const MAX_TRIES = 20;

/** `refused`: the database will never take this one; its SQLSTATE. */
export type WriteResult =
  (Written & { readonly stands: boolean }) | { readonly kind: 'refused'; readonly code: string };

type RawWritten = WrittenRow | 'user_gone' | 'row_gone';

/** Claims that a cache took, written in large batches: any number of times, in any order (see the SQL). */
export class PgWriteBehind {
  readonly #options: WriteBehindOptions;
  readonly #queue: GroupQueue<Claim, RawWritten>;

  constructor(options: WriteBehindOptions) {
    this.#options = options;
    const { schema, maxQueued, monotonicMs, random, onBatch } = options;
    const text = writeBehindSql(schema);
    this.#queue = new GroupQueue<Claim, RawWritten>({
      execute: (claims) => this.#writeAll(text, claims),
      // A family's claims that come together go one after the other.
      keyOf: (claim) => claim.jti,
      alsoKeyOf: (claim) => claim.successor.jti,
      whenReferenceGone: (claim, gone, alone) => {
        if (isUserGone(schema, gone, claim.userKey, alone)) return 'user_gone';
        return alone ? 'row_gone' : undefined;
      },
      lanes: 1,
      spareLanes: 2,
      maxBatch: MAX_BATCH,
      maxQueued,
      // Nobody waits for these: how many are owed is the outbox's to bound.
      maxWaitMs: Infinity,
      monotonicMs,
      random,
      onBatch,
    });
  }

  /**
   * Resolves when the claim's rows stand. `deadlineMs` on `performance.now()`'s scale; Infinity: as long as it takes.
   *
   * @throws StoreUnavailableError where the deadline passed, or `pg`'s error where the database refuses all of it
   */
  async write(claim: Claim, deadlineMs: number): Promise<WriteResult> {
    let item = claim;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      let raw: RawWritten;
      try {
        const settled = await this.#queue.submit(item, deadlineMs);
        if (settled.kind === 'unavailable')
          throw new StoreUnavailableError('a claim could not be written', { cause: settled.cause });
        raw = settled.result;
      } catch (error) {
        if (isOfTheRow(error)) return { kind: 'refused', code: sqlStateOf(error) ?? '' };
        throw error;
      }
      // Without its user: Django leaves NULL, too, and our look-up found one that was deleted since.
      if (raw === 'user_gone') item = { ...claim, userKey: undefined };
      else if (raw !== 'row_gone') {
        const written = readWritten(raw, claim);
        if (written !== 'again') return { ...written, stands: raw.stands && item === claim };
      }
    }
    throw new StoreUnavailableError('the rows of a claim kept changing');
  }

  async #writeAll(text: string, claims: readonly Claim[]): Promise<WrittenRow[]> {
    const { schema, dates, passwordHashOf } = this.#options;
    const { marginSeconds } = dates?.() ?? ORDINARY_DATES;
    const values = [
      ...claimValues(claims, marginSeconds),
      arrayLiteral(claims.map((c) => c.token)),
      rowEnds(claims, marginSeconds),
      // An entry of another instance says nothing of it, and its token does.
      ...passwordHashValues(schema, () => claims.map(({ token }) => passwordHashOf?.(token))),
    ];
    const statement = { name: 'write_behind', text, values };
    const ended = this.#options.onStatement?.(statement.name, claims);
    try {
      const rows = await this.#options.database.query<WrittenRow>('write_behind', statement);
      ended?.();
      return inOrder(rows);
    } catch (error) {
      ended?.(error);
      throw error;
    }
  }
}

function readWritten(row: WrittenRow, claim: Claim): Written | 'again' {
  if (row.id === null || row.next_id === null) return 'again';
  if (row.won) return { kind: 'written' };
  // Nobody's row was there when the statement began, and ours wasn't the first.
  if (row.spent_us === null) return 'again';
  const firstAtUs = Number(row.spent_us);
  if (firstAtUs === claim.claimedAtUs) return { kind: 'redelivered' };
  // The other one's successor is ours as well, if it was a claim: it was made with it.
  return row.next_us === row.spent_us ? { kind: 'double', firstAtUs } : { kind: 'closed' };
}
