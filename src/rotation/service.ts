import { isRefusal, type Subject } from './claims.js';
import { before, identify, identifyLive, orUnavailable, type RotationContext } from './context.js';
import { presentableUntil, slidingState, slidSpan } from './lifetimes.js';
import { spentOrNot } from './by-rows.js';
import { serverDeed } from './deed.js';
import type { LogoutOutcome, Refusal, SlideOutcome, TokenService, VerifyOutcome } from './outcomes.js';
import type { TokenState } from './ports.js';
import { NO_ADDED_CLAIMS } from './policy.js';
import { refresh } from './refresh.js';
import { refused } from './refused.js';
import { revokeDescendants } from './revoke.js';
import { addedTo } from './session-start.js';
import { ending, type Span } from './span.js';

/**
 * The four operations, bound to what they work with.
 *
 * @param current asked once by each: keys may be renewed meanwhile, and what has begun goes on with those it began with
 */
export function createTokenService(current: () => RotationContext): TokenService {
  return {
    refresh: (token, accepts = false, span) => refresh(current(), token, accepts, span),
    verify: (token, span) => {
      const context = current();
      return orUnavailable(() => verify(context, token, span));
    },
    logout: (token, span) => {
      const context = current();
      const deadlineMs = context.monotonicMs() + context.settings.requestTimeoutMs;
      return orUnavailable(() => before(context, deadlineMs, logout(context, token, deadlineMs, span)));
    },
    slide: (token, span) => {
      const context = current();
      return orUnavailable(() => slide(context, token, span));
    },
  };
}

/** Any token, of whatever type: is it valid, and not revoked or, where the site's Django looks, blacklisted? */
async function verify(context: RotationContext, token: string, span?: Span): Promise<VerifyOutcome> {
  const subject = await identified(identifyLive, context, token, 'any', context.clock.nowUs(), span);
  if (isRefusal(subject)) return subject;
  if ((await context.cache.claimed(subject)) !== undefined) return { kind: 'blacklisted' };
  const state = await stateOf(context, subject, span);
  const refused = context.settings.verifyBlacklist ? isBlacklisted(state) : state.standing === 'revoked';
  return refused ? { kind: 'blacklisted' } : { kind: 'valid' };
}

/**
 * Blacklists a refresh token; of one that was rotated, what came of it, to the tip (rule 8). Also of a session that may last
 * no longer: Django may still accept its token.
 */
async function logout(
  context: RotationContext,
  token: string,
  deadlineMs: number,
  span?: Span,
): Promise<LogoutOutcome> {
  const subject = await identified(identify, context, token, 'refresh', context.clock.nowUs(), span);
  if (isRefusal(subject)) return subject;
  // Without the blacklist app simplejwt answers the same, and does nothing.
  if (!context.settings.tokenTables) return { kind: 'logged_out' };
  return ending(span?.part('revoke'), revoke(context, subject, token, deadlineMs), kindOf);
}

function kindOf({ kind }: LogoutOutcome): string {
  return kind;
}

async function revoke(
  context: RotationContext,
  subject: Subject,
  token: string,
  deadlineMs: number,
): Promise<LogoutOutcome> {
  await context.outbox?.closeUser(subject.userKey, deadlineMs);
  const deed = serverDeed(context.chain, 'logout', subject);
  const ended = await context.revocations.as(deed).blacklist({ ...subject, token }, deadlineMs);
  if (ended === 'now') {
    context.emit({ kind: 'revocation', cause: 'logout', end: 'tip', rows: 1 });
    return { kind: 'logged_out' };
  }
  const rows = await revokeDescendants(context, subject, deed, deadlineMs);
  // Nothing was left to log out: simplejwt's answer to a token that is blacklisted already.
  return rows > 0 || ended === 'perhaps' ? { kind: 'logged_out' } : { kind: 'blacklisted' };
}

/** Extends a sliding token's life; its id and the end of its refreshing stay. Nothing is written. */
async function slide(context: RotationContext, token: string, span?: Span): Promise<SlideOutcome> {
  const nowUs = context.clock.nowUs();
  const subject = await identified(identifyLive, context, token, 'sliding', nowUs, span);
  if (isRefusal(subject)) return subject;
  const state = await stateOf(context, subject, span);
  if (state.row?.blacklistedAtUs !== undefined) return { kind: 'blacklisted' };
  if (state.standing !== 'good') return refused(context, subject, state.standing);
  switch (slidingState(subject, context.settings, nowUs)) {
    case 'missing':
      return { kind: 'no_refresh_exp' };
    case 'unreadable':
      return { kind: 'invalid', reason: 'invalid' };
    case 'over':
      return { kind: 'refresh_expired' };
    case 'open':
      break;
  }
  const { settings } = context;
  const { issuedAtSeconds, expiresAtSeconds } = slidSpan(settings, nowUs, subject.startSeconds, subject.jti);
  // Its iat moves, so without the start nobody could tell how old the session is.
  const started = addedTo({ addedClaims: NO_ADDED_CLAIMS, tellsStart: settings.tellsStart }, subject);
  const claims = { ...subject.claims, exp: expiresAtSeconds, iat: issuedAtSeconds, ...started };
  return { kind: 'slid', token: await context.codec.sign(claims) };
}

/** Whose a token is, told to a trace. */
async function identified(
  by: typeof identify,
  context: RotationContext,
  token: string,
  type: Parameters<typeof identify>[2],
  nowUs: number,
  span: Span | undefined,
): Promise<Subject | Refusal> {
  const verifying = span?.part('verify');
  const subject = await by(context, token, type, nowUs);
  verifying?.end(isRefusal(subject) ? subject.kind : 'good');
  return subject;
}

function stateOf(context: RotationContext, subject: Subject, span: Span | undefined): Promise<TokenState> {
  const { jti, userKey, startSeconds, passwordHash } = subject;
  const deadlineMs = context.monotonicMs() + context.settings.requestTimeoutMs;
  const expiresAtSeconds = presentableUntil(subject, context.settings.names);
  const query = { jti, candidates: [], userKey, startSeconds, expiresAtSeconds, passwordHash };
  return ending(span?.part('look_up'), context.store.readState(query, deadlineMs), spentOrNot);
}

function isBlacklisted(state: TokenState): boolean {
  return state.row?.blacklistedAtUs !== undefined || state.standing === 'revoked';
}
