import { seconds, type ClaimNames, type Span, type Subject } from './claims.js';
import { END_OF_YEAR_9999_SECONDS } from './dates.js';

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
  /** How long a session may last from its start; undefined: for as long as it is refreshed. */
  readonly sessionLifetimeSeconds?: number | undefined;
  /** By which share of its life an access or sliding token is shortened at most, 0 to 0.5. */
  readonly lifetimeSpread?: number | undefined;
}

/** Of whose session a token is; undefined: of one that is as old as can be. */
type Start = number | undefined;

/** Of the refresh token that a claim makes. @param claimedAtUs the claim's time, as stored */
export function refreshSpan(lifetimes: Lifetimes, claimedAtUs: number, start: Start): Span {
  return span(lifetimes, claimedAtUs, start, lifetimes.refreshLifetimeSeconds);
}

/**
 * Of the access token that goes with it. It is what a client refreshes by, so it is the one that is spread.
 *
 * @param claimedAtUs the claim's time, as stored
 * @param spreadBy the refresh token's id, so that a repeat has the same end; where only an access token is made, its own
 */
export function accessSpan(lifetimes: Lifetimes, claimedAtUs: number, start: Start, spreadBy: string): Span {
  return span(lifetimes, claimedAtUs, start, spread(lifetimes, lifetimes.accessLifetimeSeconds, spreadBy));
}

/** Of a sliding token that is extended now. @param jti it keeps it, so its life is shortened by as much each time */
export function slidSpan(lifetimes: Lifetimes, nowUs: number, start: Start, jti: string): Span {
  return span(lifetimes, nowUs, start, spread(lifetimes, lifetimes.slidingLifetimeSeconds, jti));
}

/** The lifetime, or the session's end where that is sooner. */
function span(lifetimes: Lifetimes, fromUs: number, start: Start, lifetimeSeconds: number): Span {
  const issuedAtSeconds = Math.floor(fromUs / 1_000_000);
  const expiresAtSeconds = issuedAtSeconds + lifetimeSeconds;
  const end = sessionEnd(lifetimes, start);
  return { issuedAtSeconds, expiresAtSeconds: end < expiresAtSeconds ? end : expiresAtSeconds };
}

type SessionLimit = Pick<Lifetimes, 'sessionLifetimeSeconds'>;

function sessionEnd({ sessionLifetimeSeconds }: SessionLimit, start: Start = 0): number {
  return sessionLifetimeSeconds === undefined ? Infinity : start + sessionLifetimeSeconds;
}

/**
 * Whether a token comes when its session may last no longer, whatever its own exp says: it may be from before the setting, or
 * Django's. No leeway: it is for tokens that other clocks have dated.
 */
export function isSessionOver(
  lifetimes: Lifetimes,
  { startSeconds }: Pick<Subject, 'startSeconds'>,
  nowUs: number,
): boolean {
  return sessionEnd(lifetimes, startSeconds) <= nowUs / 1_000_000;
}

/**
 * Shortens a life by a share between none and the spread, by an id that is as good as drawn: simplejwt's and ours are hex. One
 * that isn't hex shortens nothing.
 */
function spread({ lifetimeSpread = 0 }: Lifetimes, lifetimeSeconds: number, id: string): number {
  if (lifetimeSpread === 0) return lifetimeSeconds;
  const share = Number.parseInt(id.slice(0, 8), 16) / 0x1_0000_0000;
  return lifetimeSeconds - Math.floor(lifetimeSeconds * lifetimeSpread * Math.max(0, share || 0));
}

/** When a refresh token that its client keeps is of no more use. `early`: sooner than it says itself, with its session. */
export function keptEnd(
  lifetimes: SessionLimit,
  { expiresAtSeconds, startSeconds }: Pick<Subject, 'expiresAtSeconds' | 'startSeconds'>,
): { readonly seconds: number; readonly early: boolean } {
  const end = sessionEnd(lifetimes, startSeconds);
  const early = end < expiresAtSeconds;
  return { seconds: early ? end : expiresAtSeconds, early };
}

/** How long a token still lives, in whole seconds, for a cookie that ends with it. */
export function remainingSeconds(expiresAtSeconds: number, nowUs: number): number {
  return Math.max(0, expiresAtSeconds - Math.floor(nowUs / 1_000_000));
}

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
export function presentableUntil(
  { claims, expiresAtSeconds }: Pick<Subject, 'claims' | 'expiresAtSeconds'>,
  names: Pick<ClaimNames, 'slidingEnd'>,
): number {
  const end = seconds(claims[names.slidingEnd]) ?? 0;
  return Math.max(expiresAtSeconds, end > END_OF_YEAR_9999_SECONDS ? 0 : end);
}

/** The `expires_at` of a token's row. @param marginSeconds by how much later than `exp` this site's rows are dated */
export function rowEndSeconds(expiresAtSeconds: number, marginSeconds: number): number {
  return expiresAtSeconds + marginSeconds;
}
