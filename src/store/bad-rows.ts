import { LRUCache } from 'lru-cache';
import { isCancelledStatement, SlowViewError, sqlStateOf } from './errors.js';
import type { TokenSchema } from './schema.js';

/** How long a user whose row failed a statement goes alone, so that it costs no batch twice. */
const ALONE_MS = 60_000;
const MAX_USERS = 10_000;

/**
 * Users whose row of the site's view fails the statement that asks it, takes too long, or has claims that can't be put into
 * a token. What the view computes is the site's own code: it may raise for one user and not for the others (rule 31).
 */
export class BadRows {
  readonly #isView: boolean;
  readonly #users = new LRUCache<string, true>({ max: MAX_USERS, ttl: ALONE_MS });
  /** Told once a minute, however often it is met. */
  readonly #told = new LRUCache<string, true>({ max: MAX_USERS, ttl: ALONE_MS, noUpdateTTL: true });
  readonly #onBad: (userKey: string, why: unknown) => void;

  /** @param onBad `why`: the error, or `claims_unfit` */
  constructor({ users }: Pick<TokenSchema, 'users'>, onBad: (userKey: string, why: unknown) => void) {
    this.#isView = users?.kind === 'view';
    this.#onBad = onBad;
  }

  /** Whether the user's row is to be asked in a statement of its own. */
  has(userKey: string | undefined): boolean {
    return this.#isView && userKey !== undefined && this.#users.has(userKey);
  }

  /** A statement for many that the server cancelled can be split: it is rolled back. */
  asOfTheView(error: unknown): unknown {
    return this.#isView && isCancelledStatement(error)
      ? new SlowViewError('the view of users took too long', { cause: error })
      : error;
  }

  /** Of a statement for one user: whether it failed because of the row, which is remembered. */
  isBad(userKey: string | undefined, error: unknown): boolean {
    if (!this.#isView || userKey === undefined) return false;
    if (!(error instanceof SlowViewError) && sqlStateOf(error) === undefined) return false;
    this.note(userKey, error);
    return true;
  }

  note(userKey: string | undefined, why: unknown): void {
    if (userKey === undefined) return;
    this.#users.set(userKey, true);
    if (this.#told.has(userKey)) return;
    this.#told.set(userKey, true);
    this.#onBad(userKey, why);
  }
}
