import { claimsOf } from './jwt.js';
import type { Session } from './session.js';

/** Refreshed this long before it expires, or a fifth of its life before, where that is less. */
const LEAD_MS = 120_000;
const LEAD_SHARE = 1 / 5;
/** A token this close to its end would expire on its way. */
const MARGIN_MS = 5_000;
const MARGIN_SHARE = 1 / 10;

interface Times {
  /** All by the server's clock, milliseconds since the epoch. */
  readonly expiresMs: number;
  readonly lifeMs: number;
}

/** A token without times never expires by the clock; that it did is learnt from a 401. None at all has always expired. */
function timesOf(access: string): Times {
  const { exp, iat } = claimsOf(access) ?? {};
  const expiresMs = typeof exp === 'number' ? exp * 1000 : access ? Infinity : 0;
  return { expiresMs, lifeMs: typeof iat === 'number' ? Math.max(0, expiresMs - iat * 1000) : LEAD_MS };
}

/** Whether a token is of no more use for a request that is sent now. */
export function isExpired(access: string, skewMs: number, nowMs: number): boolean {
  const { expiresMs, lifeMs } = timesOf(access);
  return nowMs + skewMs >= expiresMs - Math.min(MARGIN_MS, lifeMs * MARGIN_SHARE);
}

/** By this computer's clock, milliseconds since the epoch. */
export function expiresAtMs({ access, skewMs }: Session): number {
  return timesOf(access).expiresMs - skewMs;
}

/** When a token is to be refreshed so that nobody has to wait, by this computer's clock. */
export function refreshAtMs(session: Session): number {
  return expiresAtMs(session) - Math.min(LEAD_MS, timesOf(session.access).lifeMs * LEAD_SHARE);
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
  const serverMs = Date.parse(date ?? '') + 500;
  return serverMs ? Math.round(serverMs - (sentMs + receivedMs) / 2) : undefined;
}
