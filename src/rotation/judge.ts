import type { ReuseKind } from './events.js';
import type { TokenState } from './ports.js';
import { refusalOf, type UserRefusal } from './standing.js';

/** What a token that is not simply unspent turns out to be, once its rows were read. */
export type Judgement =
  /** No blacklist row: it can be claimed. */
  | { readonly kind: 'unspent' }
  /** `blacklisted`: logged out, revoked, rotated by Django, or a repeat that is too late to answer and too soon to accuse. */
  | UserRefusal
  /** The pair of the rotation that spent it is to be handed out (again). */
  | { readonly kind: 'replay'; readonly claimedAtUs: number; readonly successor: Successor }
  | { readonly kind: 'in_progress' }
  | { readonly kind: 'reuse'; readonly reuse: ReuseKind };

type Successor = NonNullable<TokenState['successor']>;

export interface Presentation {
  /** When the request came, by the database's clock. */
  readonly arrivedAtUs: number;
  /** The time of a claim of ours whose answer is owed: of this request, or one whose answer got lost. */
  readonly ownClaimAtUs: number | undefined;
  /** A claim of this request lost to one that committed while it was running. */
  readonly overlapped: boolean;
  readonly graceUs: number;
  /** How long a claim may wait for the database: by so much a rotation can be younger than its marker. */
  readonly claimWaitUs: number;
}

/**
 * Two seconds: a client that repeats at once (a double click, a proxy's retry, a second tab) is no thief, and
 * clocks of two instances differ by milliseconds, not seconds.
 */
export const REPEAT_IS_NO_REUSE_US = 2_000_000;

/** Judges a presented token by its rows (rules 2, 4, 6 and 7). Pure. */
export function judge(state: TokenState, presented: Presentation): Judgement {
  const spentAtUs = state.row?.blacklistedAtUs;
  if (spentAtUs === undefined) return { kind: 'unspent' };
  const { successor } = state;
  // No derived successor: logged out, revoked, or rotated by Django. Never replayed, never our rotation.
  if (successor === undefined) return { kind: 'blacklisted' };
  if (successor.createdAtUs !== spentAtUs) return { kind: 'reuse', reuse: 'second_claim' };

  // A marked rotation.
  const ageUs = state.readAtUs - spentAtUs;
  const ours = presented.ownClaimAtUs === spentAtUs;
  const inGrace = presented.graceUs > 0 && ageUs <= presented.graceUs;
  if ((ours || inGrace) && !successor.blacklisted) {
    if (state.standing !== 'good') return refusalOf(state.standing);
    return { kind: 'replay', claimedAtUs: spentAtUs, successor };
  }
  const overlapped = presented.overlapped || spentAtUs >= presented.arrivedAtUs;
  if (overlapped && presented.graceUs === 0) return { kind: 'in_progress' };
  const tooSoonUs = Math.max(presented.graceUs, REPEAT_IS_NO_REUSE_US) + presented.claimWaitUs;
  if (ageUs <= tooSoonUs) return { kind: 'blacklisted' };
  return { kind: 'reuse', reuse: 'late' };
}
