import { rowEndSeconds } from '../rotation/lifetimes.js';
import {
  StoreUnavailableError,
  type Reissues,
  type ReissueQuery,
  type ReissueVerdict,
} from '../rotation/ports.js';
import type { OnSharedStatement } from '../rotation/span.js';
import { standingOf } from '../rotation/standing.js';
import { MAX_WAIT_MS } from './admission.js';
import { BadRows } from './bad-rows.js';
import type { Purpose, Statement } from './database.js';
import { isOfTheRow } from './errors.js';
import { GroupQueue, type GroupQueueOptions, type QueueRefusal } from './group-queue.js';
import { queryInOrder, type InOrderOptions } from './in-order.js';
import { arrayLiteral } from './quote.js';
import { judgeAndRecordSql, judgeSql, judgeTablelessSql, type ReissueRow } from './reissue-sql.js';
import { ORDINARY_DATES, type RowDates } from './row-dates.js';
import type { SiteSchema, TokenSchema } from './schema.js';
import { isUserGone } from './user-gone.js';
import { passwordHashValues } from './who-sql.js';

export interface ReissuesOptions extends InOrderOptions {
  readonly site:
    | { readonly kind: 'tables'; readonly schema: TokenSchema; readonly records: boolean }
    | { readonly kind: 'tableless'; readonly schema: SiteSchema; readonly onTablesThere: () => void };
  /** How the site dates its rows. */
  readonly dates?: () => RowDates;
  /** `lookup` unless it isn't for refreshes. */
  readonly purpose?: Purpose;
  /** Statements at the same time. */
  readonly lanes: number;
  readonly lagMs?: (nowMs: number) => number;
  readonly random: () => number;
  readonly onBatch?: (size: number) => void;
  readonly onStatement?: OnSharedStatement | undefined;
  readonly onWaited?: (ms: number) => void;
  readonly onTurnedAway?: (why: QueueRefusal, ofRefresh: boolean) => void;
  /** A user's row of the site's view fails statements, or has claims that no token can hold (`claims_unfit`). */
  readonly onBadRow?: (userKey: string, why: unknown) => void;
  /** The database refuses to write a successor's row. */
  readonly onRefused?: (error: unknown) => void;
  /** Tokens that are spent though no row says so (outbox/letters.ts). */
  readonly unwritten?: { readonly size: number; has(jti: string): boolean };
}

/** As many as claims: beyond it a statement takes longer than it saves. */
const MAX_BATCH = 200;

/** A bound of memory, as for claims. */
const MAX_QUEUED = 10_000;

/** What of a refresh goes into the statement. */
interface Item {
  readonly query: ReissueQuery;
  /** No two are the same: tokens that come several times at once may share a statement. */
  readonly key: string;
}

type Verdict = ReissueRow | 'user_gone';

/** Judges tokens that are not to be spent, in groups: one statement for all that arrived together. */
export class PgReissues implements Reissues {
  readonly #options: ReissuesOptions;
  readonly #queue: GroupQueue<Item, Verdict>;
  /** Of users whose row in the site's view failed a statement: each goes by itself. */
  readonly #alone: GroupQueue<Item, Verdict>;
  readonly #badRows: BadRows;
  readonly #records: boolean;
  #inside = 0;
  #serial = 0;

  constructor(options: ReissuesOptions) {
    this.#options = options;
    const { site, lanes, lagMs, monotonicMs, random, onBatch, onWaited, onTurnedAway } = options;
    this.#records = site.kind === 'tables' && site.records;
    const text =
      site.kind === 'tableless'
        ? judgeTablelessSql(site.schema)
        : site.records
          ? judgeAndRecordSql(site.schema)
          : judgeSql(site.schema);
    const groups: GroupQueueOptions<Item, Verdict> = {
      lanes,
      spareLanes: 1,
      maxBatch: MAX_BATCH,
      maxQueued: MAX_QUEUED,
      maxWaitMs: MAX_WAIT_MS,
      monotonicMs,
      random,
      onBatch: onBatch ?? (() => undefined),
      keyOf: ({ key }) => key,
      // Nothing is written but a successor's row, which refers to its user alone.
      whenReferenceGone: ({ query }, gone, alone) =>
        alone || isUserGone(site.schema, gone, query.userKey, alone) ? 'user_gone' : undefined,
      execute: (items) => this.#judgeAll(text, items),
      ...(lagMs && { lagMs }),
      ...(onWaited && { onWaited }),
      ...(onTurnedAway && { onRefused: (why) => onTurnedAway(why, options.purpose !== 'verify') }),
    };
    this.#badRows = new BadRows(site.schema, (userKey, why) => options.onBadRow?.(userKey, why));
    this.#queue = new GroupQueue(groups);
    this.#alone = new GroupQueue({ ...groups, lanes: 1, maxBatch: 1 });
  }

  /** Whether a refresh that comes now would be refused. */
  isBusy(nowMs: number): boolean {
    return !this.#queue.takes(Infinity, nowMs);
  }

  /** Refreshes that wait here. */
  get inside(): number {
    return this.#inside;
  }

  async judge(query: ReissueQuery, deadlineMs: number): Promise<ReissueVerdict> {
    const { onRefused, unwritten } = this.#options;
    if (unwritten !== undefined && unwritten.size > 0 && unwritten.has(query.jti))
      return { standing: 'blacklisted' };
    const queue = this.#badRows.has(query.userKey) ? this.#alone : this.#queue;
    this.#inside++;
    try {
      const settled = await queue.submit({ query, key: String(this.#serial++) }, deadlineMs);
      if (settled.kind === 'unavailable')
        throw new StoreUnavailableError('the token could not be judged in time');
      const { result } = settled;
      if (result === 'user_gone') return { standing: 'gone' };
      if (result.tables_there) return this.#tablesThere();
      if (result.blacklisted) return { standing: 'blacklisted' };
      const standing = standingOf(result);
      const unfit = result.claims_fit === false;
      if (unfit && standing === 'good') this.#badRows.note(query.userKey, 'claims_unfit');
      return { standing, freshClaims: unfit ? null : (result.claims ?? undefined) };
    } catch (error) {
      if (this.#badRows.isBad(query.userKey, error)) return { standing: 'unavailable' };
      if (!isOfTheRow(error)) throw error;
      onRefused?.(error);
      return { standing: 'unavailable' };
    } finally {
      this.#inside--;
    }
  }

  #tablesThere(): ReissueVerdict {
    const { site } = this.#options;
    if (site.kind === 'tableless') site.onTablesThere();
    return { standing: 'unavailable' };
  }

  async #judgeAll(text: string, items: readonly Item[]): Promise<ReissueRow[]> {
    const queries = items.map(({ query }) => query);
    const values = [
      arrayLiteral(queries.map(({ jti }) => jti)),
      arrayLiteral(queries.map(({ userKey }) => userKey)),
      arrayLiteral(queries.map(({ startSeconds }) => startSeconds)),
      ...(this.#records ? this.#successors(queries) : []),
      ...passwordHashValues(this.#options.site.schema, () => queries.map(({ passwordHash }) => passwordHash)),
    ];
    const name = this.#records ? 'reissue_recorded' : 'reissue';
    const statement: Statement = { name, text, values };
    const { purpose = this.#records ? 'claim' : 'lookup' } = this.#options;
    const ended = this.#options.onStatement?.(name, queries);
    try {
      const rows = await queryInOrder<ReissueRow>(this.#options, purpose, statement);
      ended?.();
      return rows;
    } catch (error) {
      ended?.(error);
      throw this.#badRows.asOfTheView(error);
    }
  }

  #successors(queries: readonly ReissueQuery[]): string[] {
    const { marginSeconds } = this.#options.dates?.() ?? ORDINARY_DATES;
    return [
      arrayLiteral(queries.map(({ issuedAtUs }) => issuedAtUs)),
      arrayLiteral(queries.map(({ successor }) => successor?.jti)),
      arrayLiteral(queries.map(({ successor }) => successor?.token)),
      arrayLiteral(
        queries.map(({ successor }) => successor && rowEndSeconds(successor.expiresAtSeconds, marginSeconds)),
      ),
    ];
  }
}
