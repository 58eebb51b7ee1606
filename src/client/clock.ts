import { claimsOf } from './jwt.js';
import type { Session } from './session.js';

/** Refreshed within so long before it expires, or within a fifth of its life, where that is less. */
const LEAD_MS = 120_000;
const LEAD_SHARE = 1 / 5;
/** So much of the lead is left at least: timers of hidden pages may be a minute late. */
const LEAD_LEFT = 1 / 2;
/** A token this close to its end would expire on its way. */
const MARGIN_MS = 5_000;
const MARGIN_SHARE = 1 / 10;

/** So long at least between two refreshes that nobody asked for, or half of a token's life, where that is less. */
const LEAST_MS = 30_000;

interface Times {
  /** All by the server's clock, milliseconds since the epoch. */
  readonly expiresMs: number;
  readonly lifeMs: number;
}

/** A token without times never expires by the clock; that it did is learnt from a 401. None at all has always expired. */
function timesOf(access: string): Times {
  const { exp, iat } = claimsOf(access);
  const expiresMs = Number(exp) * 1000 || (access ? Infinity : 0);
  return { expiresMs, lifeMs: Math.max(0, expiresMs - Number(iat) * 1000) || LEAD_MS };
}

/** Whether a token is of no more use for a request that is sent now. */
export function isExpired(access: string, skewMs: number): boolean {
  const { expiresMs, lifeMs } = timesOf(access);
  return Date.now() + skewMs >= expiresMs - Math.min(MARGIN_MS, lifeMs * MARGIN_SHARE);
}

/** By this computer's clock, milliseconds since the epoch. */
export function expiresAtMs({ access, skewMs }: Session): number {
  return timesOf(access).expiresMs - skewMs;
}

/**
 * When a token is to be refreshed so that nobody has to wait, by this computer's clock. Of a session that can't be prolonged
 * when it expires: whoever tried before would get ever shorter tokens.
 */
export function refreshAtMs(session: Session): number {
  const leadMs = Math.min(LEAD_MS, timesOf(session.access).lifeMs * LEAD_SHARE);
  return (
    expiresAtMs(session) - (isLast(session) ? 0 : leadMs * (1 - (1 - LEAD_LEFT) * share(session.access)))
  );
}

/**
 * How long a token is kept at least, from when it was received. What a computer's clock and a token's times say of each other may
 * be nonsense: a clock that is ahead where the server's isn't shown, a token without `iat` or with another one's.
 */
export function leastMs(access: string): number {
  return Math.min(LEAST_MS, timesOf(access).lifeMs / 2);
}

function isLast(session: Session): boolean {
  return !!session.last && timesOf(session.access).expiresMs >= (endOf(session) ?? Infinity);
}

/**
 * From 0 to 1, as good as drawn, so that a shift that has logged in together doesn't refresh together. It is taken from the
 * token itself: all tabs and the worker have the same, or the first of them would decide.
 */
function share(access: string): number {
  let drawn = 0;
  for (const letter of access) drawn = (drawn * 31 + letter.charCodeAt(0)) % 9_973;
  return drawn / 9_973;
}

/** The same by this computer's clock. */
export function endsAtMs(session: Session | undefined): number | undefined {
  const ends = session && endOf(session);
  return ends && ends - session.skewMs;
}

/** When a session ends that isn't refreshed, by the server's clock, ms since the epoch; undefined: nobody knows. */
export function endOf({ refresh = '', endsMs }: Pick<Session, 'refresh' | 'endsMs'>): number | undefined {
  return endsMs ?? (Number(claimsOf(refresh)['exp']) * 1000 || undefined);
}

/**
 * Whether a token is so young that a 401 must have another cause: a new one would be refused, too. Nobody knows how
 * old a log-in's token was when it was handed over, nor what clock the server has. One that is yet to be issued says
 * that our clock has been set since the server's was last seen: it isn't believed, or its end might not be noticed.
 */
export function isFresh(session: Session, nowMs: number): boolean {
  if (!session.generation) return false;
  const { expiresMs, lifeMs } = timesOf(session.access);
  const ageMs = nowMs + session.skewMs - (expiresMs - lifeMs);
  return Math.abs(ageMs) < Math.min(MARGIN_MS, lifeMs / 4);
}

/**
 * The server's clock minus ours, from an answer's Date header, which is cut to the second. Undefined where a
 * cross-origin server doesn't expose it.
 */
export function skewOf(date: string | null, sentMs: number, receivedMs: number): number | undefined {
  // No header is no date either.
  return Date.parse(date as string) + 500 - (sentMs + receivedMs) / 2 || undefined;
}
