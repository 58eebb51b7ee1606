import { rowEndSeconds } from '../rotation/lifetimes.js';
import {
  StoreUnavailableError,
  type Claim,
  type ClaimResult,
  type StateQuery,
  type TokenState,
  type TokenStore,
} from '../rotation/ports.js';
import type { OnSharedStatement } from '../rotation/span.js';
import { MAX_WAIT_MS } from './admission.js';
import { BadRows } from './bad-rows.js';
import { Claims } from './claims.js';
import { encodable } from './encoding.js';
import { GroupQueue, type QueueRefusal } from './group-queue.js';
import { queryInOrder, type InOrderOptions } from './in-order.js';
import { arrayLiteral } from './quote.js';
import { ORDINARY_DATES, type RowDates } from './row-dates.js';
import { toState } from './rows.js';
import type { TokenSchema } from './schema.js';
import { keepRowSql, readStateSql, type StateRow } from './state-sql.js';
import { fittingUserKey } from './user-key.js';
import { passwordHashValues } from './who-sql.js';

export interface TokenStoreOptions extends InOrderOptions {
  readonly schema: TokenSchema;
  /** How the site dates its rows; asked anew for each statement, for it is measured now and then. */
  readonly dates?: () => RowDates;
  /** Claim statements at the same time; a third as many connections again serve look-ups and split batches. */
  readonly lanes: number;
  /** How long an answer waits until this process reads it; 0 where it isn't given. */
  readonly lagMs?: (nowMs: number) => number;
  readonly random: () => number;
  readonly onBatch: (size: number) => void;
  /** A statement that claims share is about to be sent; only where requests are traced. */
  readonly onStatement?: OnSharedStatement | undefined;
  /** There is a synchronous standby: what is handed out again must be there, too. */
  readonly confirms?: () => boolean;
  /** The database refuses to write a row: a trigger, a constraint, a sequence behind its table. */
  readonly onRefused?: (error: unknown) => void;
  /** A user's row of the site's view fails statements, or has claims that no token can hold (`claims_unfit`). */
  readonly onBadRow?: (userKey: string, why: unknown) => void;
  /** Tokens that are spent though no row says so: their claims were answered, and could not be written (outbox/letters.ts). */
  readonly unwritten?: { readonly size: number; has(jti: string): boolean };
  /** How long the claim that had waited longest for a statement did so. */
  readonly onWaited?: (ms: number) => void;
  /** A claim or a look-up was turned away because it couldn't be answered in its time; `ofRefresh`: not of a verify. */
  readonly onTurnedAway?: (why: QueueRefusal, ofRefresh: boolean) => void;
}

/** 200 refreshes a statement: beyond it a statement takes longer than it saves (measured: 100 are 5 ms). */
const MAX_BATCH = 200;

/** Waiting refreshes at most, whatever their statements take: a bound of memory. Their time is bounded far below it. */
const MAX_QUEUED = 10_000;

/** The tables of simplejwt, through any `Database`. */
export class PgTokenStore implements TokenStore {
  readonly #options: TokenStoreOptions;
  readonly #claims: Claims;
  readonly #states: GroupQueue<StateQuery, StateRow>;
  /** Of users whose row in the site's view failed a statement. */
  readonly #statesAlone: GroupQueue<StateQuery, StateRow>;
  readonly #badRows: BadRows;
  #lookingUp = 0;

  constructor(options: TokenStoreOptions) {
    this.#options = options;
    const { schema, lanes, lagMs, monotonicMs, random, onBatch, onWaited, onTurnedAway } = options;
    const shared = {
      lanes,
      maxBatch: MAX_BATCH,
      maxQueued: MAX_QUEUED,
      maxWaitMs: MAX_WAIT_MS,
      monotonicMs,
      random,
      ...(lagMs && { lagMs }),
    };
    this.#badRows = new BadRows(schema, (userKey, why) => options.onBadRow?.(userKey, why));
    this.#claims = new Claims({
      ...options,
      badRows: this.#badRows,
      dates: () => this.#dates,
      onRefused: (error) => options.onRefused?.(error),
      groups: {
        ...shared,
        onBatch,
        onRefused: (why) => onTurnedAway?.(why, true),
        ...(onWaited && { onWaited }),
      },
    });
    const state = readStateSql(schema);
    const confirmed = readStateSql(schema, true);
    const confirms = options.confirms ?? (() => false);
    const statesOf = (size: { readonly lanes?: number; readonly maxBatch?: number }) =>
      new GroupQueue<StateQuery, StateRow>({
        ...shared,
        ...size,
        spareLanes: 1,
        onBatch: () => undefined,
        onRefused: (why, { candidates }) => onTurnedAway?.(why, candidates.length > 0),
        keyOf: (query) => query.jti,
        whenReferenceGone: () => undefined,
        execute: (items) =>
          confirms()
            ? this.#readStates('read_state_confirmed', confirmed, items)
            : this.#readStates('read_state', state, items),
      });
    this.#states = statesOf({});
    this.#statesAlone = statesOf({ lanes: 1, maxBatch: 1 });
  }

  canHold(text: string): boolean {
    return encodable(this.#options.schema.encoding, text);
  }

  canonicalUserKey(userKey: string): string | undefined {
    return fittingUserKey(this.#options.schema, userKey);
  }

  takes(known: boolean, deadlineMs: number): boolean {
    if (this.#claims.takes(known, deadlineMs)) return true;
    this.#options.onTurnedAway?.('wait', true);
    return false;
  }

  /** Whether a refresh that comes now would be refused. */
  isBusy(nowMs: number): boolean {
    return this.#claims.isBusy(nowMs);
  }

  /** Refreshes that wait here. */
  get inside(): number {
    return this.#claims.inside + this.#lookingUp;
  }

  claim(claim: Claim, deadlineMs: number): Promise<ClaimResult> {
    if (this.#isUnwritten(claim.jti)) return this.#claimUnwritten(claim, deadlineMs);
    return this.#claims.claim(claim, deadlineMs);
  }

  /** What is known of letters can be a second old: it may be written by now, and then its rows say the rest. */
  async #claimUnwritten(claim: Claim, deadlineMs: number): Promise<ClaimResult> {
    const { jti, userKey, expiresAtSeconds, passwordHash } = claim;
    const startSeconds = claim.startSeconds ?? claim.issuedAtSeconds;
    const query = { jti, candidates: [], userKey, startSeconds, expiresAtSeconds, passwordHash };
    const { row } = await this.readState(query, deadlineMs);
    return row?.blacklistedAtUs === undefined
      ? { kind: 'refused', standing: 'revoked' }
      : this.#claims.claim(claim, deadlineMs);
  }

  async readState(query: StateQuery, deadlineMs: number): Promise<TokenState> {
    // Only a refresh asks for successors.
    const ofRefresh = query.candidates.length > 0 ? 1 : 0;
    this.#lookingUp += ofRefresh;
    const queue = this.#badRows.has(query.userKey) ? this.#statesAlone : this.#states;
    const settled = await queue
      .submit(query, deadlineMs)
      .catch((error: unknown) => {
        if (!this.#badRows.isBad(query.userKey, error)) throw error;
        throw new StoreUnavailableError("the user's row of the view could not be read", { cause: error });
      })
      .finally(() => (this.#lookingUp -= ofRefresh));
    if (settled.kind === 'unavailable')
      throw new StoreUnavailableError('the token could not be looked up in time');
    const { id, outlived } = settled.result;
    if (outlived && id !== null) await this.#keep(id, query.expiresAtSeconds);
    const state = toState(settled.result);
    if (state.freshClaims === null) this.#badRows.note(query.userKey, 'claims_unfit');
    // What is known of letters can be a second old: rows that are written by now speak for themselves.
    const unwritten = this.#isUnwritten(query.jti) && state.row?.blacklistedAtUs === undefined;
    return unwritten ? { ...state, standing: 'revoked' } : state;
  }

  #isUnwritten(jti: string): boolean {
    const { unwritten } = this.#options;
    return unwritten !== undefined && unwritten.size > 0 && unwritten.has(jti);
  }

  /** Whoever ended it, perhaps Django, went by the row. Where the role may not put it off, or it can't be had now: next time. */
  async #keep(id: string, expiresAtSeconds: number): Promise<void> {
    const { database, schema } = this.#options;
    if (!schema.mayKeep) return;
    const values = [id, rowEndSeconds(expiresAtSeconds, this.#dates.marginSeconds)];
    const statement = { name: 'keep_row', text: keepRowSql(schema), values };
    await database.query('revoke', statement).catch(() => undefined);
  }

  get #dates(): RowDates {
    return this.#options.dates?.() ?? ORDINARY_DATES;
  }

  async #readStates(name: string, text: string, queries: readonly StateQuery[]): Promise<StateRow[]> {
    const numbers: number[] = [];
    const candidates: string[] = [];
    for (const [index, query] of queries.entries()) {
      for (const candidate of query.candidates) {
        numbers.push(index + 1);
        candidates.push(candidate);
      }
    }
    const values = [
      arrayLiteral(queries.map((q) => q.jti)),
      arrayLiteral(queries.map((q) => q.userKey)),
      arrayLiteral(queries.map((q) => q.startSeconds)),
      arrayLiteral(queries.map((q) => q.expiresAtSeconds)),
      arrayLiteral(numbers),
      arrayLiteral(candidates),
      ...passwordHashValues(this.#options.schema, () => queries.map(({ passwordHash }) => passwordHash)),
    ];
    // Only a refresh asks for successors: the rest is for verify and sliding tokens.
    const purpose = candidates.length > 0 ? 'lookup' : 'verify';
    try {
      return await queryInOrder<StateRow>(this.#options, purpose, { name, text, values });
    } catch (error) {
      throw this.#badRows.asOfTheView(error);
    }
  }
}
