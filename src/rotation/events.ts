import type { RefreshOutcome } from './outcomes.js';
import type { BadStanding } from './standing.js';

/** What the rotation room reports while it works; metrics and the log listen. No event holds a token. */
export type RotationEvent =
  /**
   * The end of every refresh of a verified token, once. `broken`: it threw. `met`: another refresh of the same token was
   * in flight. `read`: the state of the token had to be read from the database.
   */
  | {
      readonly kind: 'refresh';
      readonly jti: string;
      readonly outcome: RefreshOutcome['kind'] | 'broken';
      readonly met: boolean;
      readonly read: boolean;
      /** False: the policy spends no token here, so no cache and no lock was asked. */
      readonly spends?: false;
      /** How long its client had held the token. Absent: nothing was granted, or it was a repeat, or the token has no time. */
      readonly heldSeconds?: number | undefined;
    }
  /** A token that is neither spent nor expired came, and no token of its session is refreshed any more. */
  | { readonly kind: 'session_refused'; readonly jti: string; readonly standing: BadStanding }
  /** With `--rotation offered`, the end of every refresh: whether its client keeps a new token. */
  | {
      readonly kind: 'offer';
      readonly accepted: boolean;
      readonly outcome: RefreshOutcome['kind'] | 'broken';
    }
  /** Where a verified refresh found the state of its token. */
  | { readonly kind: 'cache_lookup'; readonly result: 'active' | 'spent' | 'unknown' | 'busy' }
  /** A spent token came back later than the grace (or its successor had moved on). */
  | { readonly kind: 'reuse'; readonly reuse: ReuseKind; readonly userKey: string | undefined }
  /** The end of a revocation: how it went, and how many rows it blacklisted. */
  | {
      readonly kind: 'revocation';
      readonly cause: 'logout' | 'reuse' | 'operator';
      // `closed_elsewhere`: the last row found was blacklisted by somebody else and nothing derived follows it: it was
      /// logged out, or Django rotated it and its random successor can't be found this way.
      readonly end: 'tip' | 'closed_elsewhere' | 'escalated';
      readonly rows: number;
    }
  /** A claim whose answer from the database never came, and what became of it. */
  | { readonly kind: 'claim_in_doubt'; readonly resolved: boolean };

/**
 * `late`: a marked rotation's old token after the grace. `second_claim`: the successor stands but was made by
 * another claim than the one that blacklisted this token.
 */
export type ReuseKind = 'late' | 'second_claim';

export type EventSink = (event: RotationEvent) => void;
