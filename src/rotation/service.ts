import { isRefusal, seconds, type Subject } from './claims.js';
import { before, identify, orUnavailable, type RotationContext } from './context.js';
import type { LogoutOutcome, SlideOutcome, TokenService, VerifyOutcome } from './outcomes.js';
import type { TokenState } from './ports.js';
import { revokeDescendants } from './revoke.js';
import { refresh } from './rotate.js';
import { refusalOf } from './standing.js';

/** The last date that Python's datetime, and so Django, knows. */
const END_OF_YEAR_9999_SECONDS = 253_402_300_799;

/** The four operations, bound to what they work with. */
export function createTokenService(context: RotationContext): TokenService {
  return {
    refresh: (token) => refresh(context, token),
    verify: (token) => orUnavailable(() => verify(context, token)),
    logout: (token) => {
      const deadlineMs = context.monotonicMs() + context.settings.requestTimeoutMs;
      return orUnavailable(() => before(context, deadlineMs, logout(context, token, deadlineMs)));
    },
    slide: (token) => orUnavailable(() => slide(context, token)),
  };
}

/** Any token, of whatever type: is it valid, and not blacklisted or revoked? */
async function verify(context: RotationContext, token: string): Promise<VerifyOutcome> {
  const subject = await identify(context, token, 'any', context.clock.nowUs());
  if (isRefusal(subject)) return subject;
  if ((await context.cache.claimed(subject)) !== undefined) return { kind: 'blacklisted' };
  return isBlacklisted(await stateOf(context, subject)) ? { kind: 'blacklisted' } : { kind: 'valid' };
}

/** Blacklists a refresh token; of one that was rotated, what came of it, to the tip (rule 8). */
async function logout(context: RotationContext, token: string, deadlineMs: number): Promise<LogoutOutcome> {
  const subject = await identify(context, token, 'refresh', context.clock.nowUs());
  if (isRefusal(subject)) return subject;
  await context.outbox?.closeUser(subject.userKey, deadlineMs);
  if (await context.store.blacklist({ ...subject, token }, deadlineMs)) {
    context.emit({ kind: 'revocation', cause: 'logout', end: 'tip', rows: 1 });
    return { kind: 'logged_out' };
  }
  const rows = await revokeDescendants(context, subject, 'logout', deadlineMs);
  // Nothing was left to log out: simplejwt's answer to a token that is blacklisted already.
  return rows > 0 ? { kind: 'logged_out' } : { kind: 'blacklisted' };
}

/** Extends a sliding token's life; its id and the end of its refreshing stay. Nothing is written. */
async function slide(context: RotationContext, token: string): Promise<SlideOutcome> {
  const nowUs = context.clock.nowUs();
  const subject = await identify(context, token, 'sliding', nowUs);
  if (isRefusal(subject)) return subject;
  const state = await stateOf(context, subject);
  if (isBlacklisted(state)) return { kind: 'blacklisted' };
  if (state.standing !== 'good') return refusalOf(state.standing);
  const refreshExp = subject.claims['refresh_exp'];
  if (refreshExp === undefined) return { kind: 'no_refresh_exp' };
  const nowSeconds = nowUs / 1_000_000;
  // To Python true is 1, and so long past.
  const refreshUntil = seconds(typeof refreshExp === 'boolean' ? Number(refreshExp) : refreshExp);
  if (refreshUntil === undefined || Math.abs(refreshUntil) > END_OF_YEAR_9999_SECONDS) {
    return { kind: 'invalid', reason: 'invalid' };
  }
  if (refreshUntil <= nowSeconds - context.settings.leewaySeconds) return { kind: 'refresh_expired' };
  const issuedAtSeconds = Math.floor(nowSeconds);
  const claims = {
    ...subject.claims,
    exp: issuedAtSeconds + context.settings.slidingLifetimeSeconds,
    iat: issuedAtSeconds,
  };
  return { kind: 'slid', token: await context.codec.sign(claims) };
}

function stateOf(context: RotationContext, subject: Subject): Promise<TokenState> {
  const { jti, userKey, issuedAtSeconds } = subject;
  const deadlineMs = context.monotonicMs() + context.settings.requestTimeoutMs;
  // A sliding token goes on for longer than its exp. A date beyond all dates ends nothing.
  const slidesUntil = seconds(subject.claims['refresh_exp']) ?? 0;
  const expiresAtSeconds = Math.max(
    subject.expiresAtSeconds,
    slidesUntil > END_OF_YEAR_9999_SECONDS ? 0 : slidesUntil,
  );
  const query = { jti, candidates: [], userKey, issuedAtSeconds, expiresAtSeconds };
  return context.store.readState(query, deadlineMs);
}

function isBlacklisted(state: TokenState): boolean {
  return state.row?.blacklistedAtUs !== undefined || state.standing === 'revoked';
}
