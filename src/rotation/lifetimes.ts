import { seconds, type ClaimNames, type Span, type Subject } from './claims.js';

/**
 * When tokens end. Everything that is written or answered about the end of a token is computed here, so that a claim, its
 * replay and its write-behind agree to the second. (The codec compares `exp` with the clock: jwt/registered-claims.ts.)
 */
export interface Lifetimes {
  readonly accessLifetimeSeconds: number;
  readonly refreshLifetimeSeconds: number;
  readonly slidingLifetimeSeconds: number;
  /** How far clocks may differ when a token expires. */
  readonly leewaySeconds: number;
}

/** Of the refresh token that a claim makes. @param claimedAtUs the claim's time, as stored */
export function refreshSpan({ refreshLifetimeSeconds }: Lifetimes, claimedAtUs: number): Span {
  return span(claimedAtUs, refreshLifetimeSeconds);
}

/** Of the access token that goes with it. @param claimedAtUs the claim's time, as stored */
export function accessSpan({ accessLifetimeSeconds }: Lifetimes, claimedAtUs: number): Span {
  return span(claimedAtUs, accessLifetimeSeconds);
}

/** Of a sliding token that is extended now. */
export function slidSpan({ slidingLifetimeSeconds }: Lifetimes, nowUs: number): Span {
  return span(nowUs, slidingLifetimeSeconds);
}

function span(fromUs: number, lifetimeSeconds: number): Span {
  const issuedAtSeconds = Math.floor(fromUs / 1_000_000);
  return { issuedAtSeconds, expiresAtSeconds: issuedAtSeconds + lifetimeSeconds };
}

/** The last date that Python's datetime, and so Django, knows. */
const END_OF_YEAR_9999_SECONDS = 253_402_300_799;

/** Whether a sliding token can still be extended; `unreadable`: its end is no date. */
export function slidingState(
  { claims }: Subject,
  { leewaySeconds, names }: Pick<Lifetimes, 'leewaySeconds'> & { readonly names: ClaimNames },
  nowUs: number,
): 'open' | 'over' | 'missing' | 'unreadable' {
  const end = claims[names.slidingEnd];
  if (end === undefined) return 'missing';
  // To Python true is 1, and so long past.
  const endSeconds = seconds(typeof end === 'boolean' ? Number(end) : end);
  if (endSeconds === undefined || Math.abs(endSeconds) > END_OF_YEAR_9999_SECONDS) return 'unreadable';
  return endSeconds <= nowUs / 1_000_000 - leewaySeconds ? 'over' : 'open';
}

/** Until when a token can be presented: a sliding one for longer than its exp. A date beyond all dates ends nothing. */
export function presentableUntil({ claims, expiresAtSeconds }: Subject, names: ClaimNames): number {
  const end = seconds(claims[names.slidingEnd]) ?? 0;
  return Math.max(expiresAtSeconds, end > END_OF_YEAR_9999_SECONDS ? 0 : end);
}

/** The `expires_at` of a token's row. @param marginSeconds by how much later than `exp` this site's rows are dated */
export function rowEndSeconds(expiresAtSeconds: number, marginSeconds: number): number {
  return expiresAtSeconds + marginSeconds;
}
