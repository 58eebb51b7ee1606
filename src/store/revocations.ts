import { setTimeout as sleep } from 'node:timers/promises';
import type { Deed } from '../rotation/deed.js';
import { Places } from '../rotation/places.js';
import { StoreUnavailableError } from '../rotation/ports.js';
import type {
  Ended,
  FoundToken,
  OpenRow,
  Revocations,
  Revoking,
  TokenToBlacklist,
} from '../rotation/revocation-ports.js';
import { deedValue } from './audit-sql.js';
import type { Database, Statement } from './database.js';
import { classify, isOfTheRow, isPrivilegeMissing } from './errors.js';
import { FEW_TOKENS, LogOuts } from './log-outs.js';
import { arrayLiteral } from './quote.js';
import {
  blacklistOpenSql,
  blacklistRowsSql,
  blacklistUnseenSql,
  blacklistUserSql,
  findSql,
  liveTokensSql,
  openRowsSql,
  ROWS_A_REST,
  revokeBeforeSql,
} from './revocation-sql.js';
import { ORDINARY_DATES, type RowDates } from './row-dates.js';
import type { TokenSchema } from './schema.js';

export interface RevocationOptions {
  readonly database: Database;
  readonly schema: TokenSchema;
  /** How the site dates its rows; asked anew for each statement, for it is measured now and then. */
  readonly dates?: () => RowDates;
  /** Statements at the same time, of log-outs and of all else each. */
  readonly lanes: number;
  /** All of them together, whatever fails and is sent in pieces: the other connections are for refreshes. */
  readonly connections: number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  /** Tokens that are spent though no row says so; see TokenStoreOptions. */
  readonly unwritten?: { has(jti: string): boolean };
  /** The database refuses to write a row: a trigger, a constraint, a sequence behind its table. */
  readonly onRefused?: (error: unknown) => void;
}

type Told = Partial<OpenRow> & { readonly rows: number; readonly witnessed: boolean };

interface Sent<Row> {
  readonly rows: Row[];
  readonly repeated: boolean;
}

/** Rows a statement of revoke-user; more would hold their locks longer than a refresh may wait. */
const REVOKE_BATCH = 1_000;

/** Open rows of a user that are worth holding against a family: more than anybody's sessions. */
const MOST_OPEN = 1_000;

/** Of a statement that reads all rows of a user: others have the core meanwhile. */
const REST_SECONDS = 0.002;
const RESTS_SHARE = 1 / 8;

/** Tries of a statement that met a lost connection or a lock; the request's deadline is near then. */
const MAX_TRIES = 5;

/** As `Revoking`; of a token that nobody has presented, too. */
export interface PgRevoking extends Revoking {
  /** As blacklistRows; of a token that nobody has presented, which may outlive what its row says. */
  blacklistUnseen(id: string): Promise<boolean>;
}

/** Log-outs and revocations over the tables of simplejwt, so that none shares a statement with claims. */
export class PgRevocations implements Revocations {
  readonly #options: RevocationOptions;
  readonly #logOuts: LogOuts;
  /** So many statements at a time that claims have connections left, however many ask. */
  readonly #revoking: Places;
  readonly #connections: Places;
  #mayRest: boolean;

  constructor(options: RevocationOptions) {
    this.#options = options;
    // Where there is one connection others wait for it: a rest would hold them up.
    this.#mayRest = options.connections > 1;
    const { database, lanes, connections, monotonicMs } = options;
    this.#connections = new Places(connections, monotonicMs);
    this.#logOuts = new LogOuts({
      ...options,
      database: {
        query: async <Row>(...asked: Parameters<Database['query']>) => {
          const leave = await this.#connections.take(Infinity);
          return database.query<Row>(...asked).finally(leave);
        },
      },
      dates: () => this.#dates,
      onRefused: (error) => options.onRefused?.(error),
    });
    this.#revoking = new Places(lanes, monotonicMs);
  }

  as(deed: Deed): PgRevoking {
    return {
      find: (jtis, deadlineMs) => this.find(jtis, deadlineMs),
      liveTokensOf: (userKey, limit, deadlineMs) => this.liveTokensOf(userKey, limit, deadlineMs),
      openRowsOf: (user, deadlineMs) => this.openRowsOf(user, deadlineMs),
      blacklist: (token, deadlineMs) => this.#blacklist(token, deed, deadlineMs),
      blacklistRows: (ids, deadlineMs) => this.#blacklistRows(ids, deed, deadlineMs),
      blacklistUnseen: (id) => this.#blacklistUnseen(id, deed),
      blacklistOpen: (jtis, deadlineMs) => this.#blacklistOpen(jtis, deed, deadlineMs),
      revokeUser: (userKey, deadlineMs) => this.#revokeUser(userKey, deed, deadlineMs),
      finishRevocation: (userKey, deadlineMs) => this.#blacklistUser(userKey, 'revoked', deed, deadlineMs),
    };
  }

  async #blacklist(token: TokenToBlacklist, deed: Deed, deadlineMs: number): Promise<Ended> {
    // It was rotated, and no row says so: what came of it can be found when its letter is written.
    if (this.#options.unwritten?.has(token.jti) === true) {
      const [row] = await this.find([token.jti], deadlineMs);
      if (row?.blacklisted !== true)
        throw new StoreUnavailableError('a rotation of the token is not written yet');
    }
    return this.#logOuts.blacklist(token, deed, deadlineMs);
  }

  async find(jtis: readonly string[], deadlineMs: number): Promise<FoundToken[]> {
    if (jtis.length <= FEW_TOKENS) return this.#logOuts.find(jtis, deadlineMs);
    const text = findSql(this.#options.schema);
    const statement = { name: 'find', text, values: [arrayLiteral(jtis)] };
    return (await this.#revoke<FoundToken>(statement, deadlineMs)).rows;
  }

  async #blacklistRows(
    ids: readonly string[],
    deed: Deed,
    deadlineMs: number,
  ): Promise<{ readonly won: ReadonlySet<string>; readonly perhaps: boolean }> {
    const text = blacklistRowsSql(this.#options.schema, this.#deed('$2'));
    const statement = { name: 'blacklist_rows', text, values: [arrayLiteral(ids), ...this.#recorded(deed)] };
    const { rows, repeated } = await this.#revoke<{ token_id: string }>(statement, deadlineMs);
    return { won: new Set(rows.map((row) => row.token_id)), perhaps: repeated };
  }

  async #blacklistUnseen(id: string, deed: Deed): Promise<boolean> {
    const text = blacklistUnseenSql(this.#options.schema, this.#deed('$3'));
    const values = [arrayLiteral([id]), this.#dates.extraSeconds, ...this.#recorded(deed)];
    return (await this.#revoke({ name: 'blacklist_unseen', text, values }, Infinity)).rows.length > 0;
  }

  async #blacklistOpen(jtis: readonly string[], deed: Deed, deadlineMs: number): Promise<number> {
    const text = blacklistOpenSql(this.#options.schema, this.#deed('$2'));
    const values = [arrayLiteral(jtis), ...this.#recorded(deed)];
    const statement = { name: 'blacklist_open', text, values };
    return (await this.#revoke(statement, deadlineMs)).rows.length;
  }

  async liveTokensOf(userKey: string, limit: number, deadlineMs: number): Promise<string[]> {
    const text = liveTokensSql(this.#options.schema);
    const statement = { name: 'live_tokens', text, values: [userKey, this.#dates.extraSeconds, limit] };
    return (await this.#revoke<{ jti: string }>(statement, deadlineMs)).rows.map(({ jti }) => jti);
  }

  async openRowsOf(
    {
      userKey,
      witness,
      mostRows,
    }: { readonly userKey: string; readonly witness: string; readonly mostRows: number },
    deadlineMs: number,
  ): Promise<readonly OpenRow[] | undefined> {
    const { schema } = this.#options;
    const values = [userKey, witness, mostRows, MOST_OPEN + 1, schema.outstanding];
    const ask = (rests: boolean): Promise<Sent<Told>> =>
      this.#revoke(
        {
          name: rests ? 'open_rows' : 'open_rows_at_once',
          text: openRowsSql(schema, rests),
          values: rests ? [...values, this.#restSeconds(mostRows, deadlineMs)] : values,
        },
        deadlineMs,
      );
    const { rows } = await ask(this.#mayRest).catch((error: unknown) => {
      if (!this.#mayRest || !(error instanceof StoreUnavailableError) || !isPrivilegeMissing(error.cause))
        throw error;
      // Somebody took pg_sleep from PUBLIC. A right that is missing elsewhere is missing the next time, too.
      this.#mayRest = false;
      return ask(false);
    });
    const [told] = rows;
    if (told === undefined || !told.witnessed || told.rows > mostRows || rows.length > MOST_OPEN)
      return undefined;
    return rows.flatMap(({ id, jti }) => (id == null || jti == null ? [] : [{ id, jti }]));
  }

  /** All rests together take no more than a part of the time that is left. */
  #restSeconds(mostRows: number, deadlineMs: number): number {
    const rests = 2 * Math.max(1, mostRows / ROWS_A_REST);
    const leftSeconds = (deadlineMs - this.#options.monotonicMs()) / 1_000;
    return Math.max(0, Math.min(REST_SECONDS, (leftSeconds * RESTS_SHARE) / rests));
  }

  /**
   * The mark is set twice. From the first on no new claim of an old token succeeds; claims that were under way
   * then and didn't see it are over when the rows are through, and what they made is older than the second.
   */
  async #revokeUser(userKey: string, deed: Deed, deadlineMs: number): Promise<number> {
    const text = revokeBeforeSql(this.#options.schema, this.#deed('$2'));
    const mark = { name: 'revoke_before', text, values: [userKey, ...this.#recorded(deed)] };
    await this.#revoke(mark, deadlineMs);
    const rows = await this.#blacklistUser(userKey, 'all', deed, Infinity);
    await this.#revoke(mark, Infinity);
    return rows;
  }

  /** The parameter of a deed, where deeds are recorded. */
  #deed(parameter: string): string | undefined {
    return this.#options.schema.audits === true ? parameter : undefined;
  }

  #recorded(deed: Deed): readonly string[] {
    return this.#options.schema.audits === true ? [deedValue(deed)] : [];
  }

  get #dates(): RowDates {
    return this.#options.dates?.() ?? ORDINARY_DATES;
  }

  async #blacklistUser(
    userKey: string,
    which: 'all' | 'revoked',
    deed: Deed,
    beginMs: number,
  ): Promise<number> {
    const text = blacklistUserSql(this.#options.schema, which, this.#deed('$4'));
    const values = [userKey, this.#dates.extraSeconds, REVOKE_BATCH, ...this.#recorded(deed)];
    const statement = { name: `blacklist_user_${which}`, text, values };
    for (let rows = 0, deadlineMs = beginMs; ; deadlineMs = Infinity) {
      const [counts] = (await this.#revoke<{ live: number; won: number }>(statement, deadlineMs)).rows;
      rows += counts?.won ?? 0;
      if ((counts?.live ?? 0) === 0) return rows;
    }
  }

  /**
   * A statement outside the groups, tried again after a lost connection or a lock: all of them are repeatable. `repeated`:
   * one was sent whose answer never came.
   */
  async #revoke<Row>(statement: Statement, deadlineMs: number): Promise<Sent<Row>> {
    let repeated = false;
    for (let tries = 1; ; tries++) {
      const leave = await this.#revoking.take(deadlineMs);
      let disconnect: () => void = () => undefined;
      try {
        disconnect = await this.#connections.take(deadlineMs);
        if (this.#options.monotonicMs() >= deadlineMs) throw new StoreUnavailableError('the deadline passed');
        return { rows: await this.#options.database.query<Row>('revoke', statement), repeated };
      } catch (error) {
        if (error instanceof StoreUnavailableError) throw error;
        const failure = classify(error);
        repeated ||= failure.kind === 'in_doubt';
        // A row was deleted at this moment, as one that has expired: what is left of them is there the next time.
        if (failure.kind === 'reference_gone' && failure.column !== 'token_id') throw error;
        if (failure.kind === 'unfit') {
          throw new StoreUnavailableError('the database lacks what is needed', { cause: error });
        }
        if (failure.kind === 'refused' && !isOfTheRow(error)) throw error;
        if (failure.kind === 'refused' || tries === MAX_TRIES) {
          if (failure.kind === 'refused' || failure.kind === 'id_taken') this.#options.onRefused?.(error);
          throw new StoreUnavailableError('the database could not do it', { cause: error });
        }
      } finally {
        disconnect();
        leave();
      }
      await sleep(20 * 2 ** tries * (0.5 + this.#options.random() / 2));
    }
  }
}
