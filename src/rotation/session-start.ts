import { END_OF_YEAR_9999_SECONDS } from './dates.js';
import type { Claims } from './ports.js';

/**
 * When the session of a token began, in seconds, in refresh tokens only. A successor that says so can't be mistaken for a
 * new log-in: neither by a revocation (rule 44) nor by `--session-lifetime`.
 */
export const START = 'carelink_start';

/** What of the settings decides which claims successors carry beside those of their token. */
export interface Added {
  /** What the policy adds. */
  readonly addedClaims: Claims;
  /** Whether they say when their session began. */
  readonly tellsStart?: boolean | undefined;
}

/**
 * The session's start: what the token says of it, and never later than the token's own time. Undefined where a token
 * has neither, which is as old as can be. One that is beyond all dates says nothing.
 *
 * @param told the claim, in whole seconds; undefined where it is no finite number
 */
export function startOf(
  told: number | undefined,
  issuedAtSeconds: number | undefined,
  expiresAtSeconds: number,
): number | undefined {
  if (told === undefined || told > END_OF_YEAR_9999_SECONDS) return issuedAtSeconds;
  // A session that is older than Unix can't be written as a date by every database.
  return Math.min(Math.max(0, told), issuedAtSeconds ?? expiresAtSeconds);
}

/** The claims that a token's successor carries beside those of the token. */
export function addedTo(
  { addedClaims, tellsStart }: Added,
  { startSeconds = 0 }: { readonly startSeconds: number | undefined },
): Claims {
  return tellsStart === true ? { ...addedClaims, [START]: startSeconds } : addedClaims;
}
