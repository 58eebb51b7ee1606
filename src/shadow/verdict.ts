import type { Preview } from '../rotation/preview.js';
import type { OurAnswer } from './answer.js';
import type { Difference } from './differences.js';

/** Which of the rows that were judged by stood before a request arrived. Null: nothing tells. */
export interface Stood {
  readonly blacklisted: boolean | null;
  readonly user: boolean | null;
  readonly revocation: boolean | null;
  /** What is read may be older than what Django has read. */
  readonly isStandby: boolean;
}

/** Taken when a request arrives, and asked later. */
export type Mark = (asked: { readonly jti: string; readonly userKey: string | undefined }) => Promise<Stood>;

export type Verdict =
  /** `raced`: the same, by a state that was another a moment before or after. */
  | { readonly kind: 'compared'; readonly found: readonly Difference[]; readonly raced: boolean }
  | { readonly kind: 'undecided'; readonly why: 'clock' | 'changing' }
  /** The rows could not be read. */
  | { readonly kind: 'unavailable' };

export interface Case {
  /** When the request came, by the database's clock. */
  readonly arrivedAtUs: number;
  /** What is seen of the rows, once Django has answered. */
  readonly look: Pick<Preview, 'state' | 'asked'>;
  /** What this server would answer by the rows as they are seen; or as if the token was not blacklisted. */
  readonly would: (asUnspent: boolean) => Promise<OurAnswer>;
  readonly differing: (ours: OurAnswer) => readonly Difference[];
  readonly mark: Mark | undefined;
}

/**
 * A row that was blacklisted so shortly before a request, by Django's clock, counts as not yet there: Django's clock and the
 * database's are that near (rule 50). It saves asking; what is older is asked about.
 */
const RACE_US = 2_000_000;

/**
 * What is to be held of one answer. A difference that rests on rows counts only where these rows stood before the request
 * came and stand now that Django has answered: then they stood while Django looked. Else Django may have seen what is not
 * there any more, or not yet, and that is nobody's fault.
 */
export async function verdictOn({
  arrivedAtUs,
  look,
  would,
  differing: compared,
  mark,
}: Case): Promise<Verdict> {
  const asRead = await would(false);
  if (asRead.outcome === 'unavailable') return { kind: 'unavailable' };
  const blacklistedAtUs = look.state?.row?.blacklistedAtUs;
  const isBlacklisted = blacklistedAtUs !== undefined;
  // Django itself blacklists what it rotates: its own row is there by now.
  const isRecent = isBlacklisted && blacklistedAtUs >= arrivedAtUs - RACE_US;
  // The rows say what Django says. That it may be granted all the same, as inside of the grace, is of this server's making.
  const isAgreed = isBlacklisted && !isRecent;
  const differing = (ours: OurAnswer): Difference[] =>
    compared(ours).filter(({ code }) => !(code === 'blacklist_unseen' && isAgreed));
  const found = differing(isRecent ? await would(true) : asRead);
  if (!found.some(rests)) return { kind: 'compared', found, raced: false };
  if (isRecent) {
    const other = differing(asRead);
    if (!other.some(rests)) return { kind: 'compared', found: other, raced: true };
  }
  if (found.some((one) => one.rests === 'clock')) return { kind: 'undecided', why: 'clock' };

  const stood = look.asked && (await mark?.(look.asked));
  if (stood === undefined || stood.isStandby) return { kind: 'undecided', why: 'changing' };
  const mayBeUnspent = isBlacklisted && stood.blacklisted !== true;
  // Blacklisted while Django looked, or a moment before: either answer is right.
  const unspent = mayBeUnspent && !isRecent ? differing(await would(true)) : found;
  if (!unspent.some(rests)) return { kind: 'compared', found: unspent, raced: true };
  const stands = (difference: Difference): boolean => {
    switch (difference.rests) {
      case 'blacklist':
        // No row now that Django has answered: there was none before. One of ours ends a whole session without a row.
        if (!isBlacklisted) return asRead.outcome !== 'blacklisted' || stood.revocation === true;
        return !mayBeUnspent;
      case 'user':
        return stood.user === true && stood.revocation !== false;
      default:
        return true;
    }
  };
  return unspent.every(stands)
    ? { kind: 'compared', found: unspent, raced: false }
    : { kind: 'undecided', why: 'changing' };
}

function rests(difference: Difference): boolean {
  return difference.rests !== undefined;
}
