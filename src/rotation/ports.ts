import type { Spanned } from './span.js';
import type { BadStanding, Standing } from './standing.js';

/** What the rotation room needs from outside, as small interfaces; store, cache and jwt implement them. */

export type Claims = Readonly<Record<string, unknown>>;

/**
 * What the site has for a user's access tokens at this moment, beside the token's own claims (rule 31): text of a JSON
 * object; undefined: nothing.
 */
export type FreshClaims = string | undefined;

export interface Codec {
  verify(token: string, nowUs: number): CodecVerdict | Promise<CodecVerdict>;
  sign(claims: Claims): string | Promise<string>;
  /** Reads fresh claims without losing a digit; undefined where the text is no JSON object. */
  parse(text: string): Claims | undefined;
  /** How long a signature that is asked for now would wait for others (ms). Without it: not at all. */
  readonly waitMs?: () => number;
}

export type CodecVerdict =
  | { readonly ok: true; readonly claims: Claims }
  | { readonly ok: false; readonly reason: 'invalid' | 'expired' | 'no_exp' };

/** The database's clock as far as this process knows it; never ahead of it (rule 5). */
export interface DatabaseClock {
  /** Microseconds since the epoch. */
  nowUs(): number;
}

/** The database's history, which a failover or a restore may cut off before its end (rule 36). */
export interface History {
  /**
   * When it was last cut, by the database's clock, if that is so short ago that the honest may not know yet what was lost.
   * @throws StoreUnavailableError
   */
  cutAtUs(): Promise<number | undefined>;
}

/** One refresh that wants to spend a token: what is to be written, all of it decided beforehand. */
export interface Claim extends Spanned {
  readonly jti: string;
  /** The old token's row, where the cache knows it. */
  readonly rowId: string | undefined;
  /** The old token itself: written only where it has no row yet. */
  readonly token: string;
  readonly userKey: string | undefined;
  readonly issuedAtSeconds: number | undefined;
  /** When its session began, where the token says so; absent: when it was issued. */
  readonly startSeconds?: number | undefined;
  readonly expiresAtSeconds: number;
  /** Becomes `blacklisted_at` of the old row and `created_at` of the successor: the marker of a rotation. */
  readonly claimedAtUs: number;
  /** The hash of the user's password that the token holds. */
  readonly passwordHash?: string | undefined;
  readonly successor: { readonly jti: string; readonly token: string; readonly expiresAtSeconds: number };
}

export type ClaimResult =
  | { readonly kind: 'won'; readonly successorRowId: string; readonly freshClaims: FreshClaims }
  /** Won, but the successor's row stood already: a second claim of this token, to be judged by its rows. */
  | { readonly kind: 'successor_stands' }
  /**
   * Another claim, a log-out or Django was first. `overlapped`: it committed while ours was running. `repeated`: ours
   * was sent before, and the answer to that got lost: so it may be ours that was first.
   */
  | { readonly kind: 'spent'; readonly overlapped: boolean; readonly repeated: boolean }
  /** Its user may not have it refreshed. Nothing was written. */
  | { readonly kind: 'refused'; readonly standing: BadStanding }
  /** The claim's time was ahead of the database's clock; nothing was written. */
  | { readonly kind: 'ahead' }
  /** `sent` false: nothing was written. True: the answer never came, and nobody knows. */
  | { readonly kind: 'unavailable'; readonly sent: boolean };

/** The rows of one token and of what was derived from it, read together at one moment. */
export interface TokenState {
  readonly row: { readonly id: string; readonly blacklistedAtUs: number | undefined } | undefined;
  readonly successor:
    | {
        readonly id: string;
        readonly jti: string;
        readonly token: string;
        readonly createdAtUs: number | undefined;
        readonly blacklisted: boolean;
      }
    | undefined;
  /** Of the token's user. */
  readonly standing: Standing;
  /** Null: what the site has can't be put into a token. */
  readonly freshClaims?: FreshClaims | null;
  /** The database's clock when the rows were read. */
  readonly readAtUs: number;
}

export interface StateQuery {
  readonly jti: string;
  readonly candidates: readonly string[];
  readonly userKey: string | undefined;
  /** When its session began: what a revocation is compared with. */
  readonly startSeconds: number | undefined;
  /** The end of its life: until then it must be known that it was blacklisted. */
  readonly expiresAtSeconds: number;
  /** The hash of the user's password that the token holds. */
  readonly passwordHash?: string | undefined;
}

/** A store that didn't answer in time, is down, or whose queue is full. Anything else it throws is a bug. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
  readonly code = 'STORE_UNAVAILABLE';
}

export interface TokenStore {
  /** Whether the database's encoding can hold the text. */
  canHold(text: string): boolean;
  /** The user id in the form the database compares, or undefined where it doesn't fit the column. */
  canonicalUserKey(userKey: string): string | undefined;
  /**
   * Whether a claim could be answered by its deadline: to be asked before it is signed, for `claim` would refuse it.
   * `known`: its row is.
   */
  takes(known: boolean, deadlineMs: number): boolean;
  /** Spends the token and records its successor, or tells why not. `deadlineMs` is on `performance.now()`'s scale. */
  claim(claim: Claim, deadlineMs: number): Promise<ClaimResult>;
  /** @throws StoreUnavailableError */
  readState(query: StateQuery, deadlineMs: number): Promise<TokenState>;
}

/** What a refresh that spends nothing wants to know, and to have written. */
export interface ReissueQuery extends Spanned {
  readonly jti: string;
  readonly userKey: string | undefined;
  /** As in `StateQuery`. */
  readonly startSeconds: number | undefined;
  /** The hash of the user's password at the log-in, where it is compared. */
  readonly passwordHash?: string | undefined;
  /** Of what is answered; becomes `created_at` of the successor's row. */
  readonly issuedAtUs: number;
  /** Undefined: only an access token is answered. Its row is written where the site's Django writes one. */
  readonly successor:
    { readonly jti: string; readonly token: string; readonly expiresAtSeconds: number } | undefined;
}

/** Whether a token may be answered without being spent. */
export interface Reissues {
  /** @throws StoreUnavailableError */
  judge(query: ReissueQuery, deadlineMs: number): Promise<ReissueVerdict>;
}

export interface ReissueVerdict {
  readonly standing: Standing | 'blacklisted' | 'unavailable';
  /** Null: what the site has can't be put into a token. */
  readonly freshClaims?: FreshClaims | null;
}

/** What a cache remembers of a token: a hint that saves work, never a proof. */
export type Hint =
  | { readonly state: 'active'; readonly rowId: string }
  | { readonly state: 'spent' }
  /** Claimed in the cache; its rows may not be written yet. */
  | { readonly state: 'claimed'; readonly claimed: Claimed };

/** What a claim that isn't written yet can be computed from again, by anybody who has its token. */
export interface Claimed {
  readonly claimedAtUs: number;
  /**
   * The one that was handed out: while the chain key is being changed, another instance would compute another. Undefined
   * where it is our own, and where a release claimed it that didn't say.
   */
  readonly successorJti?: string | undefined;
}

export type Begun =
  | {
      readonly kind: 'begun';
      readonly hint: Hint | undefined;
      /** The time of a claim of this token that another instance left in doubt (rule 4). */
      readonly doubtAtUs: number | undefined;
      /** The claim that was offered may have been taken: its answer never came (rule 13). */
      readonly offerInDoubt?: boolean;
    }
  /** The claim that was offered is taken: the token is spent, and its rows are owed to the database. Not to be finished. */
  | { readonly kind: 'claimed' }
  /** As much is owed to the database as may be. Not to be finished. */
  | { readonly kind: 'full' }
  /** Another refresh of this token holds the lock; `settled` resolves when it's over. */
  | { readonly kind: 'busy'; readonly settled: Promise<void> };

/** A token by its id; the user says where it is kept. */
export interface TokenKey {
  readonly jti: string;
  readonly userKey: string | undefined;
}

/** The cache and the in-flight lock. Nothing here throws or rejects: a cache that is down knows nothing. */
export interface TokenCache {
  /** Claims are taken here, so `begin` wants one offered. False: the database is asked for every claim. */
  readonly takesClaims: boolean;
  /**
   * Takes the claim that is offered, where the token is surely unspent; else the in-flight lock, atomically. Whoever
   * gets `begun` must call `finish`.
   */
  begin(token: TokenKey, offer?: Claim): Begun | Promise<Begun>;
  /** Gives the lock back and remembers what came of it; to be waited for before the successor leaves. */
  finish(token: TokenKey, learned: Learned | undefined): void | Promise<void>;
  /** Tells other instances of a claim whose answer got lost. Something learned of the token ends it. */
  noteDoubt(token: TokenKey, claimedAtUs: number): Promise<void>;
  /** How the token was claimed here, if that may not be written yet. */
  claimed(token: TokenKey): Claimed | undefined | Promise<Claimed | undefined>;
  /** These were blacklisted by other hands. */
  noteSpent(tokens: readonly TokenKey[]): void;
  /** Nothing that this process calls active may be believed any longer. */
  forgetActive(): void;
}

/** What of claims that a cache took is still to be written (asynchronous blacklisting). */
export interface Outbox {
  /**
   * Writes a claim that the cache took, if it isn't written; resolves when its rows are there. `refused`: the database
   * does not take them, and they are kept until it does. @throws StoreUnavailableError
   */
  write(claim: Claim, deadlineMs: number): Promise<'written' | 'refused'>;
  /**
   * Lets no token of this user that stands be claimed without the database, and writes what was claimed: to be done
   * before rows are walked to be revoked (rule 8). @throws StoreUnavailableError
   */
  closeUser(userKey: string | undefined, deadlineMs: number): Promise<void>;
}

/** What came of a claim that is written behind, and can't be lost any more. */
export type Written =
  | { readonly kind: 'written' }
  /** The very same claim stood already: a redelivery. */
  | { readonly kind: 'redelivered' }
  /** Another claim of the token was first, and has the same successor: a late double spend. */
  | { readonly kind: 'double'; readonly firstAtUs: number }
  /** It had been logged out, or rotated by Django: nothing that follows from our claim may live. */
  | { readonly kind: 'closed' };

export type Learned = {
  readonly spent: string;
  readonly successor:
    { readonly jti: string; readonly rowId: string; readonly claimedAtUs: number } | undefined;
};
