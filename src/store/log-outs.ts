import { rowEndSeconds } from '../rotation/lifetimes.js';
import { StoreUnavailableError } from '../rotation/ports.js';
import type { Ended, FoundToken, TokenToBlacklist } from '../rotation/revocation-ports.js';
import type { Deed } from '../rotation/deed.js';
import { deedValue } from './audit-sql.js';
import type { Database } from './database.js';
import { isOfTheRow } from './errors.js';
import { fairPauseMs } from './fair-pause.js';
import type { Settlement } from './group-entry.js';
import { GroupQueue, type GroupQueueOptions } from './group-queue.js';
import { inOrder } from './in-order.js';
import { arrayLiteral } from './quote.js';
import { blacklistByJtiSql, findSql, type LoggedOutRow } from './revocation-sql.js';
import type { RowDates } from './row-dates.js';
import type { TokenSchema } from './schema.js';
import { isUserGone } from './user-gone.js';

export interface LogOutsOptions {
  readonly database: Database;
  readonly schema: TokenSchema;
  readonly dates: () => RowDates;
  /** Statements at the same time, of log-outs; one more for pieces of failed ones, and one for look-ups. */
  readonly lanes: number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  readonly onRefused: (error: unknown) => void;
}

interface LogOut extends TokenToBlacklist {
  readonly deed: Deed;
  /** Is made without a user: whoever is gone can be logged out, and Django makes the row so, too. */
  readonly ofNobody: boolean;
}

type LoggedOut = LoggedOutRow | 'user_gone';
type Done<Result> = Extract<Settlement<Result>, { kind: 'done' }>;

const ROW_GONE: LoggedOutRow = { n: 1, id: null, won: false };

/** Of a walk that goes on where another one ended. A window of 64 generations is a statement of its own. */
export const FEW_TOKENS = 8;

/** Each is a row or two; the largest groups are those of a shift's end. */
const MAX_BATCH = 100;
const MAX_QUEUED = 10_000;

/** For an operator's command, which has no deadline: a database that is away for so long is told. */
const LONGEST_MS = 10_000;

/** Tries of one whose row came to be while its statement ran, or whose user went. */
const MAX_TRIES = 5;

/**
 * Log-outs that come together share one commit, and so do the look-ups of what follows them: at the end of a shift there
 * are hundreds a second, beside the refreshes of those who come.
 */
export class LogOuts {
  readonly #options: LogOutsOptions;
  readonly #queue: GroupQueue<LogOut, LoggedOut>;
  /** By token id: who asks for the same at the same time is told the same. */
  readonly #asked = new Map<string, Promise<Ended>>();
  readonly #finds: GroupQueue<readonly string[], FoundToken[]>;

  constructor(options: LogOutsOptions) {
    const { database, schema, dates, lanes, monotonicMs, random } = options;
    const shared: Omit<GroupQueueOptions<unknown, unknown>, 'execute' | 'keyOf' | 'whenReferenceGone'> = {
      lanes,
      spareLanes: 1,
      maxBatch: MAX_BATCH,
      maxQueued: MAX_QUEUED,
      // None is turned away for the others: whoever closes a page doesn't come again.
      maxWaitMs: Infinity,
      // Whoever comes alone waits for none.
      pauseMs: fairPauseMs,
      monotonicMs,
      random,
      onBatch: () => undefined,
    };
    const audits = schema.audits === true;
    const blacklist = blacklistByJtiSql(schema, audits);
    const find = findSql(schema);
    this.#options = options;
    this.#queue = new GroupQueue<LogOut, LoggedOut>({
      ...shared,
      keyOf: ({ jti }) => jti,
      whenReferenceGone: ({ ofNobody, userKey }, gone, alone) => {
        if (!ofNobody && isUserGone(schema, gone, userKey, alone)) return 'user_gone';
        // Its row was deleted at this moment, as one that has expired: it is made again.
        return gone.column === 'token_id' && alone ? ROW_GONE : undefined;
      },
      async execute(items) {
        const { marginSeconds } = dates();
        const values = [
          arrayLiteral(items.map(({ jti }) => jti)),
          arrayLiteral(items.map(({ token }) => token)),
          arrayLiteral(items.map(({ issuedAtSeconds }) => issuedAtSeconds)),
          arrayLiteral(items.map(({ expiresAtSeconds }) => rowEndSeconds(expiresAtSeconds, marginSeconds))),
          arrayLiteral(items.map(({ userKey, ofNobody }) => (ofNobody ? undefined : userKey))),
          ...(audits ? [arrayLiteral(items.map(({ deed }) => deedValue(deed)))] : []),
        ];
        const statement = { name: 'blacklist_by_jti', text: blacklist, values };
        return inOrder(await database.query<LoggedOutRow>('revoke', statement));
      },
    });
    this.#finds = new GroupQueue<readonly string[], FoundToken[]>({
      ...shared,
      lanes: 1,
      keyOf: ([first = '']) => first,
      whenReferenceGone: () => undefined,
      async execute(items) {
        const statement = { name: 'find', text: find, values: [arrayLiteral(items.flat())] };
        const rows = await database.query<FoundToken>('revoke', statement);
        const found = new Map(rows.map((token) => [token.jti, token]));
        return items.map((jtis) => jtis.flatMap((jti) => found.get(jti) ?? []));
      },
    });
  }

  /**
   * Finds or makes the token's row and blacklists it.
   *
   * @throws StoreUnavailableError
   */
  blacklist(token: TokenToBlacklist, deed: Deed, deadlineMs: number): Promise<Ended> {
    const asked = this.#asked.get(token.jti);
    if (asked !== undefined) return asked;
    const result = this.#blacklist(token, deed, deadlineMs).finally(() => this.#asked.delete(token.jti));
    this.#asked.set(token.jti, result);
    return result;
  }

  async #blacklist(token: TokenToBlacklist, deed: Deed, deadlineMs: number): Promise<Ended> {
    let repeated = false;
    let ofNobody = token.userKey === undefined;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const settled = await this.#submit(this.#queue, { ...token, deed, ofNobody }, deadlineMs);
      const { result } = settled;
      repeated ||= settled.repeated;
      if (result === 'user_gone') ofNobody = true;
      else if (result.id !== null) return result.won ? 'now' : repeated ? 'perhaps' : 'before';
      // Its row came to be while the statement ran: the next one sees it.
    }
    throw new StoreUnavailableError('the token could not be blacklisted');
  }

  /** @throws StoreUnavailableError */
  async find(jtis: readonly string[], deadlineMs: number): Promise<FoundToken[]> {
    return (await this.#submit(this.#finds, jtis, deadlineMs)).result;
  }

  async #submit<Item, Result>(
    queue: GroupQueue<Item, Result>,
    item: Item,
    deadlineMs: number,
  ): Promise<Done<Result>> {
    const latestMs = this.#options.monotonicMs() + LONGEST_MS;
    try {
      const settled = await queue.submit(item, Math.min(deadlineMs, latestMs));
      if (settled.kind === 'done') return settled;
      throw new StoreUnavailableError('the database did not do it in time', { cause: settled.cause });
    } catch (error) {
      if (!isOfTheRow(error)) throw error;
      this.#options.onRefused(error);
      throw new StoreUnavailableError('the database could not do it', { cause: error });
    }
  }
}
