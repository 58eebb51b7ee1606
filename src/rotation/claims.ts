import type { Refusal } from './outcomes.js';
import { NO_ADDED_CLAIMS, ROTATES } from './policy.js';
import type { Claims, Codec, FreshClaims } from './ports.js';
import { START, startOf } from './session-start.js';

/** The names of the claims that simplejwt lets a project choose (`JTI_CLAIM`, `TOKEN_TYPE_CLAIM`, `USER_ID_CLAIM`, `SLIDING_TOKEN_REFRESH_EXP_CLAIM`,
 * `REVOKE_TOKEN_CLAIM`). */
export interface ClaimNames {
  readonly jti: string;
  readonly tokenType: string;
  readonly userId: string;
  /** Says until when a sliding token can be extended. */
  readonly slidingEnd: string;
  /** Holds the hash of the user's password (`REVOKE_TOKEN_CLAIM`); undefined: it is not compared. */
  readonly revoke?: string | undefined;
}

/** What the rotation needs to know of a verified token. */
export interface Subject {
  readonly jti: string;
  /** The user id claim as text; undefined where the token names no user. */
  readonly userKey: string | undefined;
  readonly issuedAtSeconds: number | undefined;
  /** When its session began; undefined: nobody knows, so it is as old as can be. */
  readonly startSeconds: number | undefined;
  readonly expiresAtSeconds: number;
  /** The hash of the user's password at the log-in; undefined: there is none, or it isn't compared. */
  readonly passwordHash?: string | undefined;
  readonly claims: Claims;
}

/** The width of simplejwt's `jti` column. Django answers 500 to a longer one. */
const JTI_MAX_LENGTH = 255;

/** Reads the id, user and times of a verified token of the wanted type, in the order simplejwt checks them. */
export function readSubject(
  claims: Claims,
  names: ClaimNames,
  wantedType: 'refresh' | 'sliding' | 'any',
): Subject | Refusal {
  const jti = claims[names.jti];
  if (jti === undefined) return { kind: 'malformed', reason: 'no_id' };
  if (typeof jti !== 'string' || !storable(jti) || jti.length > JTI_MAX_LENGTH) {
    return { kind: 'invalid', reason: 'invalid' };
  }
  if (wantedType !== 'any') {
    const type = claims[names.tokenType];
    if (type === undefined) return { kind: 'malformed', reason: 'no_type' };
    if (type !== wantedType) return { kind: 'malformed', reason: 'wrong_type' };
  }
  const userKey = userKeyText(claims[names.userId]);
  if (userKey === null) return { kind: 'invalid', reason: 'invalid' };
  const issuedAtSeconds = seconds(claims['iat']);
  // The codec has refused a token whose exp is no sensible number.
  const expiresAtSeconds = seconds(claims['exp']) ?? 0;
  return {
    jti,
    userKey,
    issuedAtSeconds,
    startSeconds: startOf(seconds(claims[START]), issuedAtSeconds, expiresAtSeconds),
    expiresAtSeconds,
    passwordHash: passwordHashIn(claims, names),
    claims,
  };
}

/** What a hash of simplejwt's looks like. Anything else can't be one, and needn't be sent to the database. */
const HASH = /^[0-9A-F]{32,128}$/;

/** The hash of the password that a token was made for; undefined where it has none: to Django it has changed then. */
export function passwordHashIn(claims: Claims, { revoke }: Pick<ClaimNames, 'revoke'>): string | undefined {
  const hash = revoke === undefined ? undefined : claims[revoke];
  return typeof hash === 'string' && HASH.test(hash) ? hash : undefined;
}

export function isRefusal(read: Subject | Refusal): read is Refusal {
  return 'kind' in read;
}

/** A token's own time: its iat and exp (`lifetimes.ts`). */
export interface Span {
  readonly issuedAtSeconds: number;
  readonly expiresAtSeconds: number;
}

/**
 * The claims of the refresh token that follows: the same, in the same order, but for jti, exp and iat.
 *
 * @param added what the policy adds, and when the session began
 */
export function successorClaims(
  claims: Claims,
  names: ClaimNames,
  next: Span & { readonly jti: string },
  added: Claims = NO_ADDED_CLAIMS,
): Claims {
  return {
    ...claims,
    exp: next.expiresAtSeconds,
    iat: next.issuedAtSeconds,
    [names.jti]: next.jti,
    ...added,
  };
}

/** @throws Error: the store hands over no text that isn't an object, and without it a token would say more than it may */
export function parsed(codec: Codec, freshClaims: FreshClaims): Claims | undefined {
  if (freshClaims === undefined) return undefined;
  const fresh = codec.parse(freshClaims);
  if (fresh === undefined) throw new Error('fresh claims are no JSON object');
  return fresh;
}

/** Claims that mean something to whoever verifies a token: nobody but this server sets them. */
const NEVER_FRESH = new Set(['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'refresh_exp', '__proto__']);

/** Ours, in refresh tokens; they have no business in access tokens. */
const OURS: ReadonlySet<string> = new Set([ROTATES, START]);
const OWN_PREFIX = 'carelink_';

/**
 * The claims of the access token that goes with a refresh token: its own four first, as simplejwt orders them.
 *
 * @param fresh what the site has for the user now: in place of the same claim of the refresh token, else behind all
 */
export function accessClaims(
  refreshClaims: Claims,
  names: ClaimNames,
  access: Span & { readonly jti: string },
  fresh?: Claims,
): Claims {
  const own: Record<string, unknown> = {
    [names.tokenType]: 'access',
    exp: access.expiresAtSeconds,
    iat: access.issuedAtSeconds,
    [names.jti]: access.jti,
  };
  for (const name of Object.keys(refreshClaims)) {
    // simplejwt leaves out "jti" even where the project's own id claim has another name. A claim called __proto__
    // would change the object instead of being set in it.
    if (Object.hasOwn(own, name) || name === 'jti' || name === '__proto__' || OURS.has(name)) continue;
    own[name] = refreshClaims[name];
  }
  for (const name of fresh === undefined ? [] : Object.keys(fresh)) {
    const reserved =
      NEVER_FRESH.has(name) || name.startsWith(OWN_PREFIX) || Object.values(names).includes(name);
    if (!reserved) own[name] = fresh?.[name];
  }
  return own;
}

/** Text that PostgreSQL stores unchanged: no NUL, no lone surrogate (it would become U+FFFD and collide). */
function storable(text: string): boolean {
  return text !== '' && !text.includes('\0') && text.isWellFormed();
}

/** The user id as text, undefined where there is none (simplejwt then checks no user), null where it can't be one. */
function userKeyText(user: unknown): string | undefined | null {
  if (user === undefined || user === null || user === '') return undefined;
  if (typeof user === 'string') return storable(user) ? user : null;
  if (typeof user === 'number') return String(user);
  return exactNumberText(user) ?? null;
}

/**
 * A number that JavaScript can't hold exactly (a bigint user id) comes as an object with its digits. What comes out
 * of a token as an object is a plain one, so no token can pass for it.
 */
function exactNumberText(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  if (Object.getPrototypeOf(value) === Object.prototype || !('value' in value)) return undefined;
  return typeof value.value === 'string' ? value.value : undefined;
}

/**
 * The claims with an integer `sub` as text, in its place. RFC 7519 (4.1.2) wants text there, and PyJWT from 2.10 on refuses
 * a number: what is signed from these claims is accepted where the token that was presented no longer is.
 */
export function withSubAsText(claims: Claims): Claims {
  const { sub } = claims;
  const digits = typeof sub === 'number' ? String(sub) : exactNumberText(sub);
  return digits !== undefined && /^-?\d+$/.test(digits) ? { ...claims, sub: digits } : claims;
}

/** A time claim in whole seconds, undefined where it is none. */
export function seconds(value: unknown): number | undefined {
  const number = typeof value === 'number' ? value : Number(exactNumberText(value) ?? NaN);
  return Number.isFinite(number) ? Math.floor(number) : undefined;
}
