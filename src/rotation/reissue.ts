import { accessClaims, parsed, successorClaims } from './claims.js';
import { orUnavailable, UNAVAILABLE, type RotationContext } from './context.js';
import { accessSpan, keptEnd, refreshSpan } from './lifetimes.js';
import type { RefreshOutcome } from './outcomes.js';
import type { Due } from './policy.js';
import type { FreshClaims, ReissueVerdict } from './ports.js';
import type { Subject } from './claims.js';
import { refused } from './refused.js';
import type { Request } from './request.js';
import { addedTo } from './session-start.js';
import { ending } from './span.js';

/**
 * A refresh that spends nothing: one look at the token and its user, in a statement that it shares with others. No cache
 * and no lock, for any number may come at once, and a hint would go on saying `active` when Django already refuses.
 */
export function reissue(
  context: RotationContext,
  request: Request,
  due: Exclude<Due, 'spend'>,
): Promise<RefreshOutcome> {
  return orUnavailable(() => judgeAndAnswer(context, request, due));
}

async function judgeAndAnswer(
  context: RotationContext,
  request: Request,
  due: Exclude<Due, 'spend'>,
): Promise<RefreshOutcome> {
  const { cache, clock, reissuing } = context;
  if (reissuing === undefined) throw new Error('a policy that reissues has nothing to judge tokens by');
  const { subject, deadlineMs, span } = request;
  request.trace.read = true;
  // While a site moves, others' claims may be in Redis, and not yet in the rows.
  if (cache.takesClaims && (await cache.claimed(subject)) !== undefined) return { kind: 'blacklisted' };
  const issuedAtUs = clock.nowUs();
  const successor =
    due === 'reissue' ? await successorOf(context, subject, reissuing.freshId(), issuedAtUs) : undefined;
  const { jti, userKey, startSeconds, passwordHash } = subject;
  const { standing, freshClaims } = await ending(
    span?.part('judge'),
    reissuing.store.judge(
      { jti, userKey, startSeconds, passwordHash, issuedAtUs, successor, span },
      deadlineMs,
    ),
    standingOf,
  );
  switch (standing) {
    case 'good':
      break;
    case 'blacklisted':
      return { kind: 'blacklisted' };
    case 'unavailable':
      return UNAVAILABLE;
    default:
      return refused(context, subject, standing);
  }
  if (freshClaims === null) return UNAVAILABLE;
  return granted(context, subject, { accessJti: reissuing.freshId(), issuedAtUs, successor, freshClaims });
}

type Successor = { readonly jti: string; readonly token: string; readonly expiresAtSeconds: number };

/** What is answered to a token that may be reissued. @param successor undefined: the client keeps the token that it has */
export async function granted(
  { settings, codec }: Pick<RotationContext, 'settings' | 'codec'>,
  subject: Subject,
  {
    accessJti,
    issuedAtUs,
    successor,
    freshClaims,
  }: {
    readonly accessJti: string;
    readonly issuedAtUs: number;
    readonly successor: Successor | undefined;
    readonly freshClaims: FreshClaims;
  },
): Promise<RefreshOutcome> {
  const { startSeconds } = subject;
  const claims = accessClaims(
    subject.claims,
    settings.names,
    { jti: accessJti, ...accessSpan(settings, issuedAtUs, startSeconds, successor?.jti ?? accessJti) },
    parsed(codec, freshClaims),
  );
  const end =
    successor === undefined
      ? keptEnd(settings, subject)
      : { seconds: successor.expiresAtSeconds, early: false };
  return {
    kind: 'reissued',
    access: await codec.sign(claims),
    refresh: successor?.token,
    refreshExpiresAtSeconds: end.seconds,
    endsEarly: end.early,
    issuedAtUs,
  };
}

function standingOf({ standing }: ReissueVerdict): string {
  return standing;
}

/** Drawn, and not derived: the same token may be reissued at any time, and each of its successors is another one. */
export async function successorOf(
  { settings, codec }: Pick<RotationContext, 'settings' | 'codec'>,
  subject: Subject,
  jti: string,
  issuedAtUs: number,
): Promise<Successor> {
  const span = refreshSpan(settings, issuedAtUs, subject.startSeconds);
  const added = addedTo(settings, subject);
  const token = await codec.sign(successorClaims(subject.claims, settings.names, { jti, ...span }, added));
  return { jti, token, expiresAtSeconds: span.expiresAtSeconds };
}
