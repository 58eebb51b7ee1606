import { LRUCache } from 'lru-cache';
import type { Claim, ClaimResult } from '../rotation/ports.js';
import type { OnSharedStatement } from '../rotation/span.js';
import type { BadRows } from './bad-rows.js';
import { claimByJtiSql, claimKnownSql, type ClaimRow, type Outlived } from './claim-sql.js';
import { claimValues, rowEnds } from './claim-values.js';
import { isOfTheRow } from './errors.js';
import type { Settlement } from './group-entry.js';
import { GroupQueue, type GroupQueueOptions } from './group-queue.js';
import type { ReferenceGone } from './group-recovery.js';
import { queryInOrder, type InOrderOptions } from './in-order.js';
import { arrayLiteral } from './quote.js';
import type { RowDates } from './row-dates.js';
import { readClaim, type RawClaim } from './rows.js';
import type { TokenSchema } from './schema.js';
import type { Patience } from './spare-lanes.js';
import { isUserGone } from './user-gone.js';
import { passwordHashValues } from './who-sql.js';

export interface ClaimsOptions extends InOrderOptions {
  readonly schema: TokenSchema;
  readonly dates: () => RowDates;
  /** The database refuses to write a row: a trigger, a constraint, a sequence behind its table. */
  readonly onRefused: (error: unknown) => void;
  readonly badRows: BadRows;
  readonly onStatement?: OnSharedStatement | undefined;
  /** How the groups of claims are made and bounded. */
  readonly groups: Pick<
    GroupQueueOptions<Claim, RawClaim>,
    | 'lanes'
    | 'maxBatch'
    | 'maxQueued'
    | 'maxWaitMs'
    | 'lagMs'
    | 'monotonicMs'
    | 'random'
    | 'onBatch'
    | 'onWaited'
    | 'onRefused'
  >;
}

type Queue = GroupQueue<Claim, RawClaim>;

/** A queue that nothing came for in so long says nothing of what comes next. */
const LATELY_MS = 1_000;

/** A user's key that a foreign key didn't find: not tried again for a while, so that it fails no batch twice. */
const GONE_USER_TTL_MS = 60_000;

/** Claims, in groups: of rows whose id is known, of those that are found by jti, and of the few whose row ends too early. */
export class Claims {
  readonly #options: ClaimsOptions;
  readonly #known: Queue;
  readonly #byJti: Queue;
  /**
   * Nearly every row ends with its token, and a statement that could put one off costs a twenty-fifth of a refresh: so
   * those that don't are left out by the others, and come here.
   */
  readonly #outlived: Queue;
  /** Of users whose row in the site's view failed a statement: each goes by itself. */
  readonly #alone: Queue;
  readonly #goneUsers = new LRUCache<string, true>({ max: 10_000, ttl: GONE_USER_TTL_MS });
  #inside = 0;

  constructor(options: ClaimsOptions) {
    this.#options = options;
    const { schema } = options;
    const aside: Outlived = schema.mayKeep ? 'left_out' : 'as_they_are';
    const queueOf = (
      name: string,
      last: Last,
      textOf: (patience: Patience) => string,
      size: { readonly lanes?: number; readonly maxBatch?: number } = {},
    ): Queue => {
      const text = { usual: textOf('usual'), brief: textOf('brief') };
      return new GroupQueue({
        ...options.groups,
        spareLanes: size.lanes ?? options.groups.lanes,
        ...size,
        keyOf: (claim) => claim.jti,
        whenReferenceGone: (claim, gone, alone) => this.#whenReferenceGone(claim, gone, alone),
        execute: (items, patience) => this.#claimAll(`${name}_${patience}`, text[patience], items, last),
      });
    };
    this.#known = queueOf('claim_known', rowIdOf, (patience) => claimKnownSql(schema, patience, aside));
    this.#byJti = queueOf('claim_by_jti', tokenOf, (patience) => claimByJtiSql(schema, patience, aside));
    this.#outlived = queueOf('claim_outlived', tokenOf, (patience) =>
      claimByJtiSql(schema, patience, 'kept'),
    );
    this.#alone = queueOf('claim_outlived', tokenOf, (patience) => claimByJtiSql(schema, patience, 'kept'), {
      lanes: 1,
      maxBatch: 1,
    });
  }

  /** Whether a claim could be answered by its deadline. */
  takes(known: boolean, deadlineMs: number): boolean {
    return (known ? this.#known : this.#byJti).takes(deadlineMs, this.#options.monotonicMs());
  }

  /**
   * Whether a refresh that comes now would be refused, whichever queue it is for: every one that was asked for something
   * lately is too long.
   */
  isBusy(nowMs: number): boolean {
    const known = isBusy(this.#known, nowMs);
    if (known === false) return false;
    const byJti = isBusy(this.#byJti, nowMs);
    return byJti ?? known ?? false;
  }

  /** Claims that wait here. */
  get inside(): number {
    return this.#inside;
  }

  async claim(claim: Claim, deadlineMs: number): Promise<ClaimResult> {
    if (this.#goneUsers.size > 0 && claim.userKey !== undefined && this.#goneUsers.has(claim.userKey))
      return { kind: 'refused', standing: 'gone' };
    const alone = this.#options.badRows.has(claim.userKey);
    let queue = alone ? this.#alone : claim.rowId === undefined ? this.#byJti : this.#known;
    let repeated = false;
    this.#inside++;
    try {
      for (;;) {
        const settled: Settlement<RawClaim> = await queue.submit(claim, deadlineMs);
        if (settled.kind === 'unavailable') return repeated ? { ...settled, sent: true } : settled;
        repeated ||= settled.repeated;
        const { result } = settled;
        if (typeof result !== 'string' && result.outlived === true && queue !== this.#outlived) {
          queue = this.#outlived;
        } else {
          const read = readClaim(result, repeated);
          if (read === 'claims_unfit') {
            this.#options.badRows.note(claim.userKey, read);
            return { kind: 'unavailable', sent: repeated };
          }
          if (read !== 'again') return read;
          // The row isn't where the cache said, or was made by another session while ours looked for it.
          if (!alone) queue = this.#byJti;
        }
        if (this.#options.monotonicMs() >= deadlineMs) return { kind: 'unavailable', sent: repeated };
      }
    } catch (error) {
      // Rolled back: the token is unspent, and is refreshed once the view says something of this user.
      if (this.#options.badRows.isBad(claim.userKey, error)) return { kind: 'unavailable', sent: repeated };
      if (!isOfTheRow(error)) throw error;
      // What a trigger or a constraint refuses is rolled back: the token is unspent, and may be taken when that is mended.
      this.#options.onRefused(error);
      return { kind: 'unavailable', sent: repeated };
    } finally {
      this.#inside--;
    }
  }

  async #claimAll(name: string, text: string, claims: readonly Claim[], last: Last): Promise<ClaimRow[]> {
    const { schema, dates } = this.#options;
    const { marginSeconds } = dates();
    const values = [
      ...claimValues(claims, marginSeconds),
      rowEnds(claims, marginSeconds),
      arrayLiteral(claims.map(last)),
      ...passwordHashValues(schema, () => claims.map(({ passwordHash }) => passwordHash)),
    ];
    const ended = this.#options.onStatement?.(name, claims);
    try {
      const rows = await queryInOrder<ClaimRow>(this.#options, 'claim', { name, text, values });
      ended?.();
      return rows;
    } catch (error) {
      ended?.(error);
      throw this.#options.badRows.asOfTheView(error);
    }
  }

  #whenReferenceGone(claim: Claim, gone: ReferenceGone, alone: boolean): RawClaim | undefined {
    if (isUserGone(this.#options.schema, gone, claim.userKey, alone)) {
      if (claim.userKey !== undefined) this.#goneUsers.set(claim.userKey, true);
      return 'user_gone';
    }
    // Cleanup or Django deleted the old token's row at this moment. One that was looked up by jti is known by being alone.
    return gone.column === 'token_id' && (alone || claim.rowId === gone.value) ? 'row_gone' : undefined;
  }
}

/** The last parameter of a statement: what its rows are found or made by. */
type Last = (claim: Claim) => string | undefined;

const rowIdOf: Last = (claim) => claim.rowId;
const tokenOf: Last = (claim) => claim.token;

/** Undefined: nothing came for it lately. */
function isBusy(queue: Queue, nowMs: number): boolean | undefined {
  return nowMs - queue.submittedMs > LATELY_MS ? undefined : !queue.takes(Infinity, nowMs);
}
