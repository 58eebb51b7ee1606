import type { RotationContext } from './context.js';
import { serverDeed } from './deed.js';
import { REPEAT_IS_NO_REUSE_US } from './judge.js';
import { accuses, isMarked } from './policy.js';
import { StoreUnavailableError, type Claim, type Written } from './ports.js';
import { answerReuse, revokeDescendants } from './revoke.js';

/**
 * A claim that was answered from the cache, and turns out to have lost when it is written. The pair has been handed out:
 * what is right now is what would have been done had it been known.
 *
 * - `closed`: the token had been logged out, or Django had rotated it. What came of our claim dies, to its tip.
 * - `double`: two claims of one token. The successor is one and the same, so the family hasn't forked. Claims that
 *   lie as close together as a client's repeat accuse nobody; others are reuse, and answered as reuse is.
 *
 * @throws StoreUnavailableError
 */
export async function settleLateClaim(
  context: RotationContext,
  claim: Claim,
  written: Written,
): Promise<void> {
  const { settings, monotonicMs } = context;
  const deadlineMs = monotonicMs() + settings.requestTimeoutMs;
  switch (written.kind) {
    case 'written':
    case 'redelivered':
      return;
    case 'closed':
      await context.outbox?.closeUser(claim.userKey, deadlineMs);
      await revokeDescendants(context, claim, serverDeed(context.chain, 'late_claim', claim), deadlineMs);
      return;
    case 'double': {
      const apartUs = Math.abs(claim.claimedAtUs - written.firstAtUs);
      const repeatUs = Math.max(settings.graceUs, REPEAT_IS_NO_REUSE_US) + settings.requestTimeoutMs * 1000;
      if (apartUs <= repeatUs || !(await accused(context, claim))) return;
      const answered = await answerReuse(context, claim, 'second_claim', deadlineMs);
      if (answered.kind === 'unavailable')
        throw new StoreUnavailableError('a late double spend is not dealt with yet');
    }
  }
}

/** Of a claim nothing is left but its token. */
async function accused({ settings, codec, clock }: RotationContext, { token }: Claim): Promise<boolean> {
  if (accuses(settings.rotation, false)) return true;
  const verdict = await codec.verify(token, clock.nowUs());
  return verdict.ok && isMarked(verdict.claims);
}
