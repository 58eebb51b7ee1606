import { rowEndSeconds } from '../rotation/lifetimes.js';
import { Places } from '../rotation/places.js';
import {
  StoreUnavailableError,
  type Claim,
  type ClaimResult,
  type FoundToken,
  type StateQuery,
  type TokenState,
  type TokenStore,
  type TokenToBlacklist,
} from '../rotation/ports.js';
import { MAX_WAIT_MS } from './admission.js';
import { Claims } from './claims.js';
import type { Statement } from './database.js';
import { encodable } from './encoding.js';
import { classify, isOfTheRow } from './errors.js';
import { GroupQueue, type QueueRefusal } from './group-queue.js';
import { queryInOrder, type InOrderOptions } from './in-order.js';
import { arrayLiteral } from './quote.js';
import { ORDINARY_DATES, type RowDates } from './row-dates.js';
import { toState } from './rows.js';
import type { TokenSchema } from './schema.js';
import {
  blacklistByJtiSql,
  blacklistOpenSql,
  blacklistRowsSql,
  blacklistUnseenSql,
  blacklistUserSql,
  findSql,
  keepRowSql,
  liveTokensSql,
  readStateSql,
  REVOKE_BEFORE_SQL,
  type StateRow,
} from './state-sql.js';
import { canonicalUserKey } from './user-key.js';

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
  /** There is a synchronous standby: what is handed out again must be there, too. */
  readonly confirms?: () => boolean;
  /** The database refuses to write a row: a trigger, a constraint, a sequence behind its table. */
  readonly onRefused?: (error: unknown) => void;
  /** Tokens that are spent though no row says so: their claims were answered, and could not be written (outbox/letters.ts). */
  readonly unwritten?: { readonly size: number; has(jti: string): boolean };
  /** How long the claim that had waited longest for a statement did so. */
  readonly onWaited?: (ms: number) => void;
  /** A claim or a look-up was turned away because it couldn't be answered in its time. */
  readonly onTurnedAway?: (why: QueueRefusal) => void;
}

/** 200 refreshes a statement: beyond it a statement takes longer than it saves (measured: 100 are 5 ms). */
const MAX_BATCH = 200;

/** Waiting refreshes at most, whatever their statements take: a bound of memory. Their time is bounded far below it. */
const MAX_QUEUED = 10_000;

/** Rows a statement of revoke-user; more would hold their locks longer than a refresh may wait. */
const REVOKE_BATCH = 1_000;

/** Retries of a look-up or a revocation that met a lost connection or a lock; the request's deadline is near then. */
const MAX_TRIES = 5;

/** The tables of simplejwt, through any `Database`. */
export class PgTokenStore implements TokenStore {
  readonly #options: TokenStoreOptions;
  readonly #claims: Claims;
  readonly #states: GroupQueue<StateQuery, StateRow>;
  /** Log-outs and revocations, so many statements at a time that claims have connections left, however many ask. */
  readonly #loggingOut: Places;
  readonly #revoking: Places;
  #lookingUp = 0;

  constructor(options: TokenStoreOptions) {
    this.#options = options;
    const { schema, lanes, lagMs, monotonicMs, random, onBatch, onWaited, onTurnedAway } = options;
    // Each log-out is a commit, and at the end of a shift there are many: with half as many places 300 a second, not 600.
    this.#loggingOut = new Places(2 * lanes, monotonicMs);
    this.#revoking = new Places(lanes, monotonicMs);
    const shared = {
      lanes,
      maxBatch: MAX_BATCH,
      maxQueued: MAX_QUEUED,
      maxWaitMs: MAX_WAIT_MS,
      monotonicMs,
      random,
      ...(lagMs && { lagMs }),
      ...(onTurnedAway && { onRefused: onTurnedAway }),
    };
    this.#claims = new Claims({
      ...options,
      dates: () => this.#dates,
      onRefused: (error) => options.onRefused?.(error),
      groups: { ...shared, onBatch, ...(onWaited && { onWaited }) },
    });
    const state = readStateSql(schema);
    const confirmed = readStateSql(schema, true);
    const confirms = options.confirms ?? (() => false);
    this.#states = new GroupQueue({
      ...shared,
      spareLanes: 1,
      onBatch: () => undefined,
      keyOf: (query) => query.jti,
      whenReferenceGone: () => undefined,
      execute: (items) =>
        confirms()
          ? this.#readStates('read_state_confirmed', confirmed, items)
          : this.#readStates('read_state', state, items),
    });
  }

  canHold(text: string): boolean {
    return encodable(this.#options.schema.encoding, text);
  }

  canonicalUserKey(userKey: string): string | undefined {
    const { userKeyType, encoding } = this.#options.schema;
    return encodable(encoding, userKey) ? canonicalUserKey(userKeyType, userKey) : undefined;
  }

  takes(known: boolean, deadlineMs: number): boolean {
    if (this.#claims.takes(known, deadlineMs)) return true;
    this.#options.onTurnedAway?.('wait');
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
    const { jti, userKey, issuedAtSeconds, expiresAtSeconds } = claim;
    const query = { jti, candidates: [], userKey, issuedAtSeconds, expiresAtSeconds };
    const { row } = await this.readState(query, deadlineMs);
    return row?.blacklistedAtUs === undefined
      ? { kind: 'refused', standing: 'revoked' }
      : this.#claims.claim(claim, deadlineMs);
  }

  async readState(query: StateQuery, deadlineMs: number): Promise<TokenState> {
    // Only a refresh asks for successors.
    const ofRefresh = query.candidates.length > 0 ? 1 : 0;
    this.#lookingUp += ofRefresh;
    const settled = await this.#states
      .submit(query, deadlineMs)
      .finally(() => (this.#lookingUp -= ofRefresh));
    if (settled.kind === 'unavailable')
      throw new StoreUnavailableError('the token could not be looked up in time');
    const { id, outlived } = settled.result;
    if (outlived && id !== null) await this.#keep(id, query.expiresAtSeconds);
    const state = toState(settled.result);
    // What is known of letters can be a second old: rows that are written by now speak for themselves.
    const unwritten = this.#isUnwritten(query.jti) && state.row?.blacklistedAtUs === undefined;
    return unwritten ? { ...state, standing: 'revoked' } : state;
  }

  #isUnwritten(jti: string): boolean {
    const { unwritten } = this.#options;
    return unwritten !== undefined && unwritten.size > 0 && unwritten.has(jti);
  }

  async blacklist(token: TokenToBlacklist, deadlineMs: number): Promise<boolean> {
    const { jti, userKey, issuedAtSeconds, expiresAtSeconds } = token;
    let user = userKey;
    const text = blacklistByJtiSql(this.#options.schema);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const until = rowEndSeconds(expiresAtSeconds, this.#dates.marginSeconds);
      const values = [jti, token.token, issuedAtSeconds, until, user];
      try {
        const statement = { name: 'blacklist_by_jti', text, values };
        const [row] = await this.#revoke<{ won: boolean }>(statement, deadlineMs, this.#loggingOut);
        if (row !== undefined) return row.won;
      } catch (error) {
        if (user === undefined || !isUserGone(error)) throw error;
        // Whoever is gone can be logged out: the row is made without a user, as Django makes it.
        user = undefined;
      }
    }
    throw new StoreUnavailableError('the token could not be blacklisted');
  }

  find(jtis: readonly string[], deadlineMs: number): Promise<FoundToken[]> {
    const text = findSql(this.#options.schema);
    return this.#revoke({ name: 'find', text, values: [arrayLiteral(jtis)] }, deadlineMs);
  }

  async blacklistRows(ids: readonly string[], deadlineMs: number): Promise<Set<string>> {
    const text = blacklistRowsSql(this.#options.schema);
    const statement = { name: 'blacklist_rows', text, values: [arrayLiteral(ids)] };
    const rows = await this.#revoke<{ token_id: string }>(statement, deadlineMs);
    return new Set(rows.map((row) => row.token_id));
  }

  /** As blacklistRows; of a token that nobody has presented, which may outlive what its row says. */
  async blacklistUnseen(id: string): Promise<boolean> {
    const text = blacklistUnseenSql(this.#options.schema);
    const values = [arrayLiteral([id]), this.#dates.extraSeconds];
    return (await this.#revoke({ name: 'blacklist_unseen', text, values }, Infinity)).length > 0;
  }

  async blacklistOpen(jtis: readonly string[], deadlineMs: number): Promise<number> {
    const text = blacklistOpenSql(this.#options.schema);
    const statement = { name: 'blacklist_open', text, values: [arrayLiteral(jtis)] };
    return (await this.#revoke(statement, deadlineMs)).length;
  }

  async liveTokensOf(userKey: string, limit: number, deadlineMs: number): Promise<string[]> {
    const text = liveTokensSql(this.#options.schema);
    const statement = { name: 'live_tokens', text, values: [userKey, this.#dates.extraSeconds, limit] };
    return (await this.#revoke<{ jti: string }>(statement, deadlineMs)).map(({ jti }) => jti);
  }

  /**
   * The mark is set twice. From the first on no new claim of an old token succeeds; claims that were under way
   * then and didn't see it are over when the rows are through, and what they made is older than the second.
   */
  async revokeUser(userKey: string, deadlineMs: number): Promise<number> {
    const mark = { name: 'revoke_before', text: REVOKE_BEFORE_SQL, values: [userKey] };
    await this.#revoke(mark, deadlineMs);
    const rows = await this.#blacklistUser(userKey, 'all', Infinity);
    await this.#revoke(mark, Infinity);
    return rows;
  }

  finishRevocation(userKey: string, deadlineMs: number): Promise<number> {
    return this.#blacklistUser(userKey, 'revoked', deadlineMs);
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

  async #blacklistUser(userKey: string, which: 'all' | 'revoked', beginMs: number): Promise<number> {
    const text = blacklistUserSql(this.#options.schema, which);
    const values = [userKey, this.#dates.extraSeconds, REVOKE_BATCH];
    const statement = { name: `blacklist_user_${which}`, text, values };
    for (let rows = 0, deadlineMs = beginMs; ; deadlineMs = Infinity) {
      const [counts] = await this.#revoke<{ live: number; won: number }>(statement, deadlineMs);
      rows += counts?.won ?? 0;
      if ((counts?.live ?? 0) === 0) return rows;
    }
  }

  #readStates(name: string, text: string, queries: readonly StateQuery[]): Promise<StateRow[]> {
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
      arrayLiteral(queries.map((q) => q.issuedAtSeconds)),
      arrayLiteral(queries.map((q) => q.expiresAtSeconds)),
      arrayLiteral(numbers),
      arrayLiteral(candidates),
    ];
    // Only a refresh asks for successors: the rest is for verify and sliding tokens.
    const purpose = candidates.length > 0 ? 'lookup' : 'verify';
    return queryInOrder<StateRow>(this.#options, purpose, { name, text, values });
  }

  /** A statement outside the groups, tried again after a lost connection or a lock: all of them are repeatable. */
  async #revoke<Row>(statement: Statement, deadlineMs: number, places = this.#revoking): Promise<Row[]> {
    for (let tries = 1; ; tries++) {
      const leave = await places.take(deadlineMs);
      try {
        if (this.#options.monotonicMs() >= deadlineMs) throw new StoreUnavailableError('the deadline passed');
        return await this.#options.database.query<Row>('revoke', statement);
      } catch (error) {
        if (error instanceof StoreUnavailableError) throw error;
        const failure = classify(error);
        if (failure.kind === 'reference_gone') throw error;
        if (failure.kind === 'unfit') {
          throw new StoreUnavailableError('the database lacks what is needed', { cause: error });
        }
        if (failure.kind === 'refused' && !isOfTheRow(error)) throw error;
        if (failure.kind === 'refused' || tries === MAX_TRIES) {
          if (failure.kind === 'refused' || failure.kind === 'id_taken') this.#options.onRefused?.(error);
          throw new StoreUnavailableError('the database could not do it', { cause: error });
        }
      } finally {
        leave();
      }
      await pause(20 * 2 ** tries * (0.5 + this.#options.random() / 2));
    }
  }
}

function isUserGone(error: unknown): boolean {
  const failure = classify(error);
  return failure.kind === 'reference_gone' && failure.column === 'user_id';
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
