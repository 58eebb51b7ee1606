import type { Deed } from './deed.js';

export interface FoundToken {
  readonly jti: string;
  readonly id: string;
  readonly blacklisted: boolean;
  /** How long ago it was blacklisted, by the database's clock. */
  readonly closedForSeconds: number | null;
  /** From its row's being made to its expiry. */
  readonly lifeSeconds: number | null;
  /** By the database's clock: rows of expired tokens are deleted. */
  readonly expired: boolean;
}

/** What a family is followed by. */
export interface RevocationRows {
  /** Of this and all that follow nothing is sent after the deadline. @throws StoreUnavailableError */
  find(jtis: readonly string[], deadlineMs: number): Promise<FoundToken[]>;
  /** The ids of a user's tokens that are neither expired nor blacklisted, at most `limit`. @throws StoreUnavailableError */
  liveTokensOf(userKey: string, limit: number, deadlineMs: number): Promise<string[]>;
  /**
   * The rows of a user that are not blacklisted. Undefined where looking at each token is the better way: there are more rows
   * than `mostRows`, or many open ones, no index leads to them, or `witness`, a token of this user's, has a row that says
   * otherwise. @throws StoreUnavailableError
   */
  openRowsOf(
    user: { readonly userKey: string; readonly witness: string; readonly mostRows: number },
    deadlineMs: number,
  ): Promise<readonly OpenRow[] | undefined>;
}

/** Ends tokens, as a part of one deed. What is ended is recorded by the same statement, or it isn't ended (rule 48). */
export interface Revoking extends RevocationRows {
  /**
   * Finds or makes the token's row and blacklists it.
   * @throws StoreUnavailableError
   */
  blacklist(token: TokenToBlacklist, deadlineMs: number): Promise<Ended>;
  /** Blacklists rows; `won`: the ids of those that this call was first to blacklist. @throws StoreUnavailableError */
  blacklistRows(
    ids: readonly string[],
    deadlineMs: number,
  ): Promise<{ readonly won: ReadonlySet<string>; readonly perhaps: boolean }>;
  /** Blacklists those of the tokens that are not; returns how many this call was first to blacklist. @throws StoreUnavailableError */
  blacklistOpen(jtis: readonly string[], deadlineMs: number): Promise<number>;
  /**
   * Revokes all that a user holds, tokens without a row included; returns the rows blacklisted. It begins before the
   * deadline or not at all, and goes on to its end. @throws StoreUnavailableError
   */
  revokeUser(userKey: string, deadlineMs: number): Promise<number>;
  /** Blacklists the rows that a revocation of this user left behind, and none made after it. @throws StoreUnavailableError */
  finishRevocation(userKey: string, deadlineMs: number): Promise<number>;
}

/** Log-outs and revocations: nothing is ended without saying by which deed. */
export interface Revocations extends RevocationRows {
  as(deed: Deed): Revoking;
}

export interface OpenRow {
  readonly id: string;
  readonly jti: string;
}

/**
 * Whether a row was blacklisted by this call, or before it. `perhaps`: it stands, and an answer of the database was lost on
 * the way, so it isn't known which.
 */
export type Ended = 'now' | 'before' | 'perhaps';

export interface TokenToBlacklist {
  readonly jti: string;
  readonly token: string;
  readonly userKey: string | undefined;
  readonly issuedAtSeconds: number | undefined;
  readonly expiresAtSeconds: number;
}
