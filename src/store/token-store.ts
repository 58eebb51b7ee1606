import { LRUCache } from 'lru-cache';
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
import { claimByJtiSql, claimKnownSql, type ClaimRow } from './claim-sql.js';
import type { Database, Purpose, Statement } from './database.js';
import type { ObservedDatabaseClock } from './database-clock.js';
import { encodable } from './encoding.js';
import { classify, isOfTheRow } from './errors.js';
import {
  GroupQueue,
  type GroupQueueOptions,
  type QueueRefusal,
  type ReferenceGone,
  type Settlement,
} from './group-queue.js';
import { arrayLiteral } from './quote.js';
import { ORDINARY_DATES, type RowDates } from './row-dates.js';
import { readClaim, toState, type RawClaim } from './rows.js';
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

export interface TokenStoreOptions {
  readonly database: Database;
  readonly schema: TokenSchema;
  readonly clock: ObservedDatabaseClock;
  /** How the site dates its rows; asked anew for each statement, for it is measured now and then. */
  readonly dates?: () => RowDates;
  /** Claim statements at the same time; a third as many connections again serve look-ups and split batches. */
  readonly lanes: number;
  /** How long an answer waits until this process reads it; 0 where it isn't given. */
  readonly lagMs?: (nowMs: number) => number;
  readonly monotonicMs: () => number;
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

/** A queue that nothing came for in so long says nothing of what comes next. */
const LATELY_MS = 1_000;

/** A user's key that a foreign key didn't find: not tried again for a while, so that it fails no batch twice. */
const GONE_USER_TTL_MS = 60_000;

/** The tables of simplejwt, through any `Database`. */
export class PgTokenStore implements TokenStore {
  readonly #options: TokenStoreOptions;
  readonly #known: GroupQueue<Claim, RawClaim>;
  readonly #byJti: GroupQueue<Claim, RawClaim>;
  readonly #states: GroupQueue<StateQuery, StateRow>;
  /** Log-outs and revocations, so many statements at a time that claims have connections left, however many ask. */
  readonly #loggingOut: Places;
  readonly #revoking: Places;
  #inside = 0;
  readonly #goneUsers = new LRUCache<string, true>({ max: 10_000, ttl: GONE_USER_TTL_MS });

  constructor(options: TokenStoreOptions) {
    this.#options = options;
    const { schema, lanes, lagMs, monotonicMs, random, onBatch, onWaited, onTurnedAway } = options;
    // Each log-out is a commit, and at the end of a shift there are many: with half as many places 300 a second, not 600.
    this.#loggingOut = new Places(2 * lanes, monotonicMs);
    this.#revoking = new Places(lanes, monotonicMs);
    const shared = {
      maxBatch: MAX_BATCH,
      maxQueued: MAX_QUEUED,
      maxWaitMs: MAX_WAIT_MS,
      monotonicMs,
      random,
      ...(lagMs && { lagMs }),
      ...(onTurnedAway && { onRefused: onTurnedAway }),
    };
    const claims: Omit<GroupQueueOptions<Claim, RawClaim>, 'execute'> = {
      ...shared,
      lanes,
      spareLanes: lanes,
      onBatch,
      ...(onWaited && { onWaited }),
      keyOf: (claim) => claim.jti,
      whenReferenceGone: (claim, gone, alone) => this.#whenReferenceGone(claim, gone, alone),
    };
    const known = { usual: claimKnownSql(schema, 'usual'), brief: claimKnownSql(schema, 'brief') };
    const byJti = { usual: claimByJtiSql(schema, 'usual'), brief: claimByJtiSql(schema, 'brief') };
    this.#known = new GroupQueue({
      ...claims,
      execute: (items, patience) =>
        this.#claimAll('claim_known', `claim_known_${patience}`, known[patience], items),
    });
    this.#byJti = new GroupQueue({
      ...claims,
      execute: (items, patience) =>
        this.#claimAll('claim_by_jti', `claim_by_jti_${patience}`, byJti[patience], items),
    });
    const state = readStateSql(schema);
    const confirmed = readStateSql(schema, true);
    const confirms = options.confirms ?? (() => false);
    this.#states = new GroupQueue({
      ...shared,
      lanes,
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
    const queue = known ? this.#known : this.#byJti;
    if (queue.takes(deadlineMs, this.#options.monotonicMs())) return true;
    this.#options.onTurnedAway?.('wait');
    return false;
  }

  /**
   * Whether a refresh that comes now would be refused, whichever queue it is for: every one that was asked for something
   * lately is too long.
   */
  isBusy(): boolean {
    const nowMs = this.#options.monotonicMs();
    let busy = false;
    for (const queue of [this.#known, this.#byJti]) {
      if (nowMs - queue.submittedMs > LATELY_MS) continue;
      if (queue.takes(Infinity, nowMs)) return false;
      busy = true;
    }
    return busy;
  }

  /** Refreshes that wait here. */
  get inside(): number {
    return this.#inside;
  }

  async claim(claim: Claim, deadlineMs: number): Promise<ClaimResult> {
    this.#inside++;
    try {
      return await this.#claim(claim, deadlineMs);
    } finally {
      this.#inside--;
    }
  }

  async #claim(claim: Claim, deadlineMs: number): Promise<ClaimResult> {
    if (claim.userKey !== undefined && this.#goneUsers.has(claim.userKey)) return { kind: 'inactive' };
    if (this.#isUnwritten(claim.jti) && (await this.#isUnspent(claim, deadlineMs)))
      return { kind: 'revoked' };
    let queue = claim.rowId === undefined ? this.#byJti : this.#known;
    let repeated = false;
    for (;;) {
      const settled = await this.#submit(queue, claim, deadlineMs);
      if (settled.kind === 'unavailable') return repeated ? { ...settled, sent: true } : settled;
      repeated ||= settled.repeated;
      const result = readClaim(settled.result, repeated);
      if (result !== 'again') return result;
      // The row isn't where the cache said, or was made by another session while ours looked for it.
      queue = this.#byJti;
      if (this.#options.monotonicMs() >= deadlineMs) return { kind: 'unavailable', sent: repeated };
    }
  }

  /** What a trigger or a constraint refuses is rolled back: the token is unspent, and may be taken when that is mended. */
  async #submit(
    queue: GroupQueue<Claim, RawClaim>,
    claim: Claim,
    deadlineMs: number,
  ): Promise<Settlement<RawClaim>> {
    try {
      return await queue.submit(claim, deadlineMs);
    } catch (error) {
      if (!isOfTheRow(error)) throw error;
      this.#options.onRefused?.(error);
      return { kind: 'unavailable', sent: false };
    }
  }

  async readState(query: StateQuery, deadlineMs: number): Promise<TokenState> {
    // Only a refresh asks for successors.
    const ofRefresh = query.candidates.length > 0 ? 1 : 0;
    this.#inside += ofRefresh;
    const settled = await this.#states.submit(query, deadlineMs).finally(() => (this.#inside -= ofRefresh));
    if (settled.kind === 'unavailable')
      throw new StoreUnavailableError('the token could not be looked up in time');
    const { id, outlived } = settled.result;
    if (outlived && id !== null) await this.#keep(id, query.expiresAtSeconds);
    const state = toState(settled.result);
    // What is known of letters can be a second old: rows that are written by now speak for themselves.
    const unwritten = this.#isUnwritten(query.jti) && state.row?.blacklistedAtUs === undefined;
    return unwritten ? { ...state, revoked: true } : state;
  }

  async #isUnspent(
    { jti, userKey, issuedAtSeconds, expiresAtSeconds }: Claim,
    deadlineMs: number,
  ): Promise<boolean> {
    const query = { jti, candidates: [], userKey, issuedAtSeconds, expiresAtSeconds };
    return (await this.readState(query, deadlineMs)).row?.blacklistedAtUs === undefined;
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
      const until = expiresAtSeconds + this.#dates.marginSeconds;
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
    const values = [id, expiresAtSeconds + this.#dates.marginSeconds];
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

  async #claimAll(
    how: 'claim_known' | 'claim_by_jti',
    name: string,
    text: string,
    claims: readonly Claim[],
  ): Promise<RawClaim[]> {
    const { marginSeconds } = this.#dates;
    const values = [
      arrayLiteral(claims.map((c) => c.jti)),
      arrayLiteral(claims.map((c) => c.userKey)),
      arrayLiteral(claims.map((c) => c.issuedAtSeconds)),
      arrayLiteral(claims.map((c) => c.claimedAtUs)),
      arrayLiteral(claims.map((c) => c.successor.jti)),
      arrayLiteral(claims.map((c) => c.successor.token)),
      arrayLiteral(claims.map((c) => c.successor.expiresAtSeconds + marginSeconds)),
      arrayLiteral(claims.map((c) => c.expiresAtSeconds + marginSeconds)),
      arrayLiteral(claims.map((c) => (how === 'claim_known' ? c.rowId : c.token))),
    ];
    return this.#inOrder<ClaimRow>('claim', { name, text, values });
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
      arrayLiteral(queries.map((q) => q.issuedAtSeconds)),
      arrayLiteral(queries.map((q) => q.expiresAtSeconds)),
      arrayLiteral(numbers),
      arrayLiteral(candidates),
    ];
    // Only a refresh asks for successors: the rest is for verify and sliding tokens.
    const purpose = candidates.length > 0 ? 'lookup' : 'verify';
    return this.#inOrder<StateRow>(purpose, { name, text, values });
  }

  /** Rows come back in any order; each tells its number. Every answer is also a reading of the database's clock. */
  async #inOrder<
    Row extends { readonly n: number; readonly now_us: string; readonly ahead?: boolean | null },
  >(purpose: Purpose, statement: Statement): Promise<Row[]> {
    const { database, clock, monotonicMs } = this.#options;
    const sentAtMs = monotonicMs();
    const rows = await database.query<Row>(purpose, statement);
    const ordered: Row[] = [];
    let latestUs = 0;
    let ahead = false;
    for (const row of rows) {
      ordered[row.n - 1] = row;
      latestUs = Math.max(latestUs, Number(row.now_us));
      ahead ||= row.ahead === true;
    }
    // Where a claim was ahead what was thought of the clock is wrong, by less than the statement took: begin again.
    if (latestUs > 0) clock.observe(latestUs, ahead ? monotonicMs() : sentAtMs);
    return ordered;
  }

  #whenReferenceGone(claim: Claim, gone: ReferenceGone, alone: boolean): RawClaim | undefined {
    // Alone, because the user's row may have another key than the one that tokens name.
    if (gone.column === 'user_id' && (alone || claim.userKey === gone.value)) {
      if (claim.userKey !== undefined) this.#goneUsers.set(claim.userKey, true);
      return 'user_gone';
    }
    // Cleanup or Django deleted the old token's row at this moment. One that was looked up by jti is known by being alone.
    return gone.column === 'token_id' && (alone || claim.rowId === gone.value) ? 'row_gone' : undefined;
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
