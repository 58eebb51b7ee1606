import { accessClaims, parsed, successorClaims } from './claims.js';
import { onceKnown, type RotationContext } from './context.js';
import { accessSpan, refreshSpan } from './lifetimes.js';
import type { RefreshOutcome } from './outcomes.js';
import type { Claim, Claimed, Claims, FreshClaims } from './ports.js';
import type { Request } from './request.js';
import { addedTo } from './session-start.js';

type Rotated = Extract<RefreshOutcome, { kind: 'rotated' }>;

interface PendingClaim {
  readonly claim: Claim;
  readonly claims: Claims;
}

/**
 * Decides all that the claim will write. A claim that is in doubt is repeated with the time it carried.
 *
 * @param made of a claim that was made already: it is computed again
 */
export function prepare(
  context: RotationContext,
  request: Request,
  rowId: string | undefined,
  made?: Claimed,
): PendingClaim | Promise<PendingClaim> {
  const { settings, chain, codec } = context;
  const { subject } = request;
  const claimedAtUs = made?.claimedAtUs ?? context.doubtful.claimedAtUs(subject.jti) ?? context.clock.nowUs();
  const jti = made?.successorJti ?? chain.successorOf(subject.jti);
  const { issuedAtSeconds, expiresAtSeconds } = refreshSpan(settings, claimedAtUs, subject.startSeconds);
  const span = { jti, issuedAtSeconds, expiresAtSeconds };
  const claims = successorClaims(subject.claims, settings.names, span, addedTo(settings, subject));
  return onceKnown(codec.sign(claims), (token) => ({
    claim: {
      jti: subject.jti,
      rowId,
      token: request.token,
      userKey: subject.userKey,
      issuedAtSeconds: subject.issuedAtSeconds,
      startSeconds: subject.startSeconds,
      expiresAtSeconds: subject.expiresAtSeconds,
      claimedAtUs,
      passwordHash: subject.passwordHash,
      successor: { jti, token, expiresAtSeconds },
      span: request.span,
    },
    claims,
  }));
}

/** The successor's claims, computed again from the claim's time as stored. */
export function replayedClaims(
  context: RotationContext,
  { subject }: Request,
  successor: { readonly jti: string },
  claimedAtUs: number,
): Claims {
  const { settings } = context;
  const span = { jti: successor.jti, ...refreshSpan(settings, claimedAtUs, subject.startSeconds) };
  return successorClaims(subject.claims, settings.names, span, addedTo(settings, subject));
}

/** The pair to hand out: the successor, and the access token that goes with it, with what the site has for the user now. */
export function pair(
  { settings, chain, codec }: RotationContext,
  { subject }: Request,
  refreshClaims: Claims,
  successor: { readonly jti: string; readonly token: string },
  claimedAtUs: number,
  keyIndex: number,
  freshClaims?: FreshClaims,
): Rotated | Promise<Rotated> {
  const access = accessClaims(
    refreshClaims,
    settings.names,
    {
      jti: chain.accessOf(successor.jti, keyIndex),
      ...accessSpan(settings, claimedAtUs, subject.startSeconds, successor.jti),
    },
    parsed(codec, freshClaims),
  );
  return onceKnown(codec.sign(access), (signed) => ({
    kind: 'rotated',
    access: signed,
    refresh: successor.token,
    refreshExpiresAtSeconds: refreshClaims['exp'] as number,
    claimedAtUs,
    replayed: false,
  }));
}
