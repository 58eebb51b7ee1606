import { isRefusal } from './claims.js';
import { identify, type RotationContext } from './context.js';
import type { RefreshOutcome } from './outcomes.js';
import type { Request } from './request.js';
import { rotate } from './rotate.js';

/**
 * One refresh: verify the token, read who and what it is, do what is due, and tell once how it ended. Expected outcomes
 * are values. What is due is to rotate it; a policy that does something else is chosen here, and not inside of `rotate`.
 */
export async function refresh(context: RotationContext, token: string): Promise<RefreshOutcome> {
  const arrivedAtUs = context.clock.nowUs();
  const deadlineMs = context.monotonicMs() + context.settings.requestTimeoutMs;
  const subject = await identify(context, token, 'refresh', arrivedAtUs);
  if (isRefusal(subject)) return subject;
  const request: Request = { token, subject, arrivedAtUs, deadlineMs, trace: { met: false, read: false } };
  let outcome: RefreshOutcome | undefined;
  try {
    outcome = await rotate(context, request);
    return outcome;
  } finally {
    const { met, read } = request.trace;
    context.emit({ kind: 'refresh', jti: subject.jti, outcome: outcome?.kind ?? 'broken', met, read });
  }
}
