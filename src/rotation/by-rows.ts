import type { Subject } from './claims.js';
import { RETRY_AFTER_SECONDS, UNAVAILABLE, type RotationContext } from './context.js';
import { settleDoubt } from './in-doubt.js';
import { judge } from './judge.js';
import type { RefreshOutcome } from './outcomes.js';
import { pair, replayedClaims } from './pairs.js';
import type { Learned, TokenState } from './ports.js';
import type { Request } from './request.js';
import { answerReuse, finishRevocation } from './revoke.js';
import { ending } from './span.js';

/** What a refresh came to, and what the cache is to remember of it. */
export interface Settled {
  readonly outcome: RefreshOutcome;
  readonly learned: Learned | undefined;
}

export const IN_PROGRESS: RefreshOutcome = { kind: 'in_progress', retryAfterSeconds: RETRY_AFTER_SECONDS };

/**
 * The token isn't ours to claim, or not simply: its rows say what it is.
 *
 * @throws StoreUnavailableError
 */
export async function judgeByRows(
  context: RotationContext,
  request: Request,
  attempt: { readonly overlapped: boolean; readonly ownClaimAtUs: number | undefined },
): Promise<Settled | 'unspent'> {
  const { subject } = request;
  // Asked before the rows are read: what is no longer there is in them by then.
  const moved = await successorIsClaimed(context, subject);
  const read = await readState(context, request);
  const state =
    moved && read.successor ? { ...read, successor: { ...read.successor, blacklisted: true } } : read;
  const spentAtUs = state.row?.blacklistedAtUs;
  const judgement = judge(state, {
    arrivedAtUs: request.arrivedAtUs,
    ownClaimAtUs: context.doubtful.isOurs(subject.jti, spentAtUs) ? spentAtUs : attempt.ownClaimAtUs,
    overlapped: attempt.overlapped,
    graceUs: context.settings.graceUs,
    claimWaitUs: context.settings.requestTimeoutMs * 1000,
  });
  const learned: Learned = { spent: subject.jti, successor: undefined };
  switch (judgement.kind) {
    case 'unspent':
      return 'unspent';
    case 'replay': {
      const fresh = state.freshClaims;
      if (fresh === null) return { outcome: UNAVAILABLE, learned };
      const claims = replayedClaims(context, request, judgement.successor, judgement.claimedAtUs);
      settleDoubt(context, subject.jti);
      const keyIndex = context.chain.candidatesAfter(subject.jti).indexOf(judgement.successor.jti);
      const outcome = await pair(
        context,
        request,
        claims,
        judgement.successor,
        judgement.claimedAtUs,
        keyIndex,
        fresh,
      );
      return { outcome: { ...outcome, replayed: true }, learned };
    }
    case 'in_progress':
      request.trace.met = true;
      return { outcome: IN_PROGRESS, learned };
    case 'reuse':
      if (!request.accuses) return { outcome: { kind: 'blacklisted' }, learned };
      // A token that is revoked already accuses nobody again, or an old one could log its user out over and over.
      return {
        outcome:
          state.standing === 'revoked'
            ? await finishRevocation(context, subject, request.deadlineMs)
            : await answerReuse(context, subject, judgement.reuse, request.deadlineMs),
        learned,
      };
    default:
      return { outcome: judgement, learned };
  }
}

/** What followed the token was used, and perhaps no row tells it yet: it is handed out no more (rule 6). */
async function successorIsClaimed(
  { cache, chain }: RotationContext,
  { jti, userKey }: Subject,
): Promise<boolean> {
  for (const next of chain.candidatesAfter(jti)) {
    if ((await cache.claimed({ jti: next, userKey })) !== undefined) return true;
  }
  return false;
}

/** For a trace. */
export function spentOrNot({ row }: TokenState): 'spent' | 'unspent' {
  return row?.blacklistedAtUs === undefined ? 'unspent' : 'spent';
}

function readState(
  context: RotationContext,
  { subject, deadlineMs, trace, span }: Request,
): Promise<TokenState> {
  trace.read = true;
  const { jti, userKey, startSeconds, expiresAtSeconds, passwordHash } = subject;
  const candidates = context.chain.candidatesAfter(jti);
  const query = { jti, candidates, userKey, startSeconds, expiresAtSeconds, passwordHash };
  return ending(span?.part('look_up'), context.store.readState(query, deadlineMs), spentOrNot);
}
