import type { RotationContext } from './context.js';
import type { RefreshOutcome } from './outcomes.js';
import { prepare } from './pairs.js';
import type { Due } from './policy.js';
import type { Request } from './request.js';

/**
 * By how much a successor may be longer than its predecessor: claims that are added, another `kid`, and the signature of
 * a larger key (RSA of 4,096 bits after 2,048 is 341 characters more). A shorter token needs no closer look.
 */
const GROWTH_BYTES = 1_024;

/**
 * The answer to a token whose successor its client could not keep, since a browser drops a cookie that is too large.
 * Asked before anything is spent: the session goes on where the limit is lifted.
 */
export async function tooLarge(
  context: RotationContext,
  request: Request,
  due: Due,
): Promise<RefreshOutcome | undefined> {
  const { maxSuccessorBytes: mostBytes = Infinity } = context.settings;
  if (due === 'access_only' || request.token.length + GROWTH_BYTES <= mostBytes) return undefined;
  const { claim } = await prepare(context, request, undefined);
  const bytes = claim.successor.token.length;
  return bytes > mostBytes ? { kind: 'too_large', bytes, mostBytes } : undefined;
}
