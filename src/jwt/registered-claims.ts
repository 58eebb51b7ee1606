import { LosslessNumber } from 'lossless-json';
import type { Claims, Verdict } from './codec.js';

/** What the registered claims (RFC 7519, 4.1) are held to. */
export interface ClaimRules {
  /** One of these must be in `aud`; empty: `aud` isn't looked at. */
  readonly audience: readonly string[];
  readonly issuer: string | undefined;
  readonly leewaySeconds: number;
}

/**
 * How far beyond the leeway `iat` and `nbf` may be ahead of us. `now` is a lower bound of the database's clock,
 * refreshed now and then, not the clock itself: a token made this very moment, by the claim or by a Django on
 * the same clock, would otherwise come from the future.
 */
export const CLOCK_LAG_ALLOWANCE_SECONDS = 1;

/**
 * The times that Python's datetime can hold: years 1 to 9999. simplejwt makes a datetime of `exp`, and answers
 * 500 to one outside; here it is an invalid token.
 */
const MIN_DATE_SECONDS = -62_135_596_800;
const MAX_DATE_SECONDS = 253_402_300_799;

const INVALID = { ok: false, reason: 'invalid' } as const;
const EXPIRED = { ok: false, reason: 'expired' } as const;
const NO_EXP = { ok: false, reason: 'no_exp' } as const;

/**
 * Checks what PyJWT and simplejwt's backend check of claims whose signature is right, in PyJWT's order: `iat`,
 * `nbf`, `exp`, `iss`, `aud`. So `expired` means that all before it was right. That `exp` is there at all is asked last, by
 * simplejwt itself: `no_exp` means that all else was right. Never throws.
 *
 * Stricter than Python in one thing: a date is a number. Strings and booleans that `int()` takes are refused.
 *
 * @param nowUs microseconds since the epoch; NaN refuses everything
 */
export function checkRegisteredClaims(claims: Claims, rules: ClaimRules, nowUs: number): Verdict {
  const nowSeconds = nowUs / 1e6;
  const latestStart = nowSeconds + rules.leewaySeconds + CLOCK_LAG_ALLOWANCE_SECONDS;

  // Each comparison is the wrong way round, negated, so that a NaN in it refuses.
  for (const claim of ['iat', 'nbf'] as const) {
    if (!Object.hasOwn(claims, claim)) continue;
    const seconds = numericDate(claims[claim]);
    if (seconds === undefined || !(seconds <= latestStart)) return INVALID;
  }

  const hasExp = Object.hasOwn(claims, 'exp');
  if (hasExp) {
    const exp = numericDate(claims['exp']);
    if (exp === undefined) return INVALID;
    if (!(exp > nowSeconds - rules.leewaySeconds)) return EXPIRED;
  }

  if (rules.issuer !== undefined && claims['iss'] !== rules.issuer) return INVALID;
  if (rules.audience.length > 0 && !meantForUs(claims['aud'], rules.audience)) return INVALID;
  return hasExp ? { ok: true, claims } : NO_EXP;
}

/**
 * Adds `aud` and `iss` where they are configured, as simplejwt's backend does: in their old place where the
 * claims have them, else at the end. A single audience is a string; it stays a list of one where the claims have that, for
 * then Django's setting is a list.
 */
export function withRegisteredClaims(claims: Claims, rules: ClaimRules): Claims {
  const { audience, issuer } = rules;
  if (audience.length === 0 && issuer === undefined) return claims;
  return {
    ...claims,
    ...(audience.length > 0 && {
      aud: audience.length === 1 && !isListOf(claims['aud'], audience[0]) ? audience[0] : audience,
    }),
    ...(issuer !== undefined && { iss: issuer }),
  };
}

function isListOf(aud: unknown, only: string | undefined): boolean {
  return Array.isArray(aud) && aud.length === 1 && aud[0] === only;
}

/** Whole seconds, as Python's `int()` cuts them; undefined for what isn't a number in datetime's range. */
function numericDate(value: unknown): number | undefined {
  let seconds: number;
  if (typeof value === 'number') seconds = value;
  else if (value instanceof LosslessNumber) seconds = Number(value.toString());
  else return undefined;
  return seconds >= MIN_DATE_SECONDS && seconds <= MAX_DATE_SECONDS ? Math.trunc(seconds) : undefined;
}

function meantForUs(aud: unknown, audience: readonly string[]): boolean {
  if (typeof aud === 'string') return audience.includes(aud);
  if (!Array.isArray(aud) || !aud.every((member) => typeof member === 'string')) return false;
  return aud.some((member) => audience.includes(member));
}
