import type { RotationContext } from './context.js';
import type { Claim } from './ports.js';

/** The answer to a claim got lost (rule 4). To be awaited before it is answered, so that whoever is asked next knows. */
export async function rememberDoubt(context: RotationContext, claim: Claim): Promise<void> {
  context.doubtful.remember(claim.jti, claim.claimedAtUs);
  await context.cache.noteDoubt(claim, claim.claimedAtUs);
  context.emit({ kind: 'claim_in_doubt', resolved: false });
}

/** The claim of this token that was in doubt, if one was, is known to stand. */
export function settleDoubt(context: RotationContext, jti: string): void {
  if (context.doubtful.settle(jti)) context.emit({ kind: 'claim_in_doubt', resolved: true });
}
