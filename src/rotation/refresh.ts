import { isRefusal, type Subject } from './claims.js';
import { identifyLive, type RotationContext } from './context.js';
import type { RefreshOutcome } from './outcomes.js';
import { accuses, dueTo, isMarked } from './policy.js';
import { reissue } from './reissue.js';
import type { Request } from './request.js';
import { rotate } from './rotate.js';
import type { Span } from './span.js';
import { tooLarge } from './too-large.js';

const SPENDS_NOT = { spend: undefined, reissue: { spends: false }, access_only: { spends: false } } as const;

/**
 * One refresh: verify the token, read who and what it is, do what is due, and tell once how it ended. Expected outcomes
 * are values. What is due, to rotate it or to reissue, is chosen here by the policy, and not inside of `rotate`.
 *
 * @param accepts the client says that it keeps a new refresh token
 */
export async function refresh(
  context: RotationContext,
  token: string,
  accepts: boolean,
  span?: Span,
): Promise<RefreshOutcome> {
  const arrivedAtUs = context.clock.nowUs();
  const deadlineMs = context.monotonicMs() + context.settings.requestTimeoutMs;
  const verifying = span?.part('verify');
  const identified = identifyLive(context, token, 'refresh', arrivedAtUs);
  const subject = identified instanceof Promise ? await identified : identified;
  verifying?.end(isRefusal(subject) ? subject.kind : 'good');
  if (isRefusal(subject)) return subject;
  // Who comes too often is told so before any store is asked.
  const throttle = subject.userKey === undefined ? undefined : context.throttle;
  const waitMs = throttle?.waitMs(subject.userKey ?? '') ?? 0;
  if (waitMs > 0) return { kind: 'throttled', waitMs };
  const { rotation } = context.settings;
  const marked = isMarked(subject.claims);
  const due = dueTo(rotation, { marked, accepts });
  const trace = { met: false, read: false };
  const request: Request = {
    token,
    subject,
    arrivedAtUs,
    deadlineMs,
    accuses: accuses(rotation, marked),
    trace,
    span,
  };
  let outcome: RefreshOutcome | undefined;
  try {
    if (context.settings.maxSuccessorBytes !== undefined) outcome = await tooLarge(context, request, due);
    outcome ??= due === 'spend' ? await rotate(context, request) : await reissue(context, request, due);
    return outcome;
  } finally {
    const { met, read } = trace;
    const ended = outcome?.kind ?? 'broken';
    // Only what was granted counts, and not before: a handful of spent tokens that come at once, each with a charge on its
    // way to the database, would keep their user out meanwhile. Requests that come at once may all be granted, and are owed.
    if (ended === 'rotated' || ended === 'reissued') throttle?.owe(subject.userKey ?? '');
    const heldSeconds = outcome === undefined ? undefined : heldFor(outcome, subject, arrivedAtUs);
    context.emit({
      kind: 'refresh',
      jti: subject.jti,
      outcome: ended,
      met,
      read,
      heldSeconds,
      ...SPENDS_NOT[due],
    });
    if (rotation === 'offered') context.emit({ kind: 'offer', accepted: due === 'spend', outcome: ended });
  }
}

/** For how long a session went on with the token that it now has another one for. */
function heldFor(
  outcome: RefreshOutcome,
  { issuedAtSeconds }: Subject,
  arrivedAtUs: number,
): number | undefined {
  const goesOn = outcome.kind === 'reissued' || (outcome.kind === 'rotated' && !outcome.replayed);
  if (!goesOn || issuedAtSeconds === undefined) return undefined;
  return Math.max(0, arrivedAtUs / 1_000_000 - issuedAtSeconds);
}
