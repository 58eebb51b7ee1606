import type { Random } from './random.js';
import type { Recording } from './record.js';
import { NO_WINNER } from './silence.js';
import type { Answer, Target } from './target.js';

export interface Session {
  token: string;
  /** Its connection. */
  readonly lane: number;
  /** Its token was refused for good and there is no other: no load uses it any more. */
  ended?: boolean;
}

export interface RefreshOptions {
  /** The share of refreshes, 0 to 1, that are sent twice at once. */
  readonly duplicates: number;
  /** Every refresh is sent by so many at once; 1: see `duplicates`. */
  readonly tabs: number;
  readonly random: Random;
  readonly nowMs: () => number;
  /** A new chain for a session whose token was refused for good; undefined: there is none, the session ends. */
  readonly reissue: (() => string) | undefined;
}

/** How it went with the session: it goes on, it goes on after a pause, or it has no token any more. */
export type Turn = 'done' | 'failed' | 'ended';

/**
 * One refresh of one session: one request, or, where it is duplicated, several with the same token at once. The
 * session goes on with the pair that was handed out. Calls back when all of its requests were answered.
 *
 * @param dueMs when it should have been sent; its latency counts from there
 */
export function refreshOnce(
  target: Target,
  session: Session,
  recording: Recording,
  options: RefreshOptions,
  dueMs: number,
  done: (turn: Turn) => void,
): void {
  const { duplicates, tabs, random, nowMs } = options;
  const copies = tabs > 1 ? tabs : duplicates > 0 && random() < duplicates ? 2 : 1;
  const { token } = session;
  const sentMs = nowMs();
  let left = copies;
  let next: string | undefined;
  let refusal: string | undefined;
  recording.refreshes += 1;
  recording.requests += copies;
  recording.duplicates.sent += copies - 1;
  const onAnswer = (answer: Answer): void => {
    left -= 1;
    if (answer.ok) {
      if (next === undefined) {
        next = answer.next;
        const answeredMs = nowMs();
        recording.success(answeredMs - dueMs, answeredMs - sentMs);
        recording.handedOut(next, token);
      } else if (next === answer.next) {
        recording.duplicates.replayed += 1;
      } else {
        // Both are real: the family forked, and both were answered with a rotation.
        recording.forks += 1;
        recording.successes += 1;
      }
    } else if (copies > 1 && (answer.kind === 'HTTP 429' || answer.kind === 'HTTP 401')) {
      // What a duplicate is to get, as long as one of them wins.
      recording.duplicates.refused += 1;
      refusal = answer.kind;
    } else {
      recording.error(answer.kind);
      refusal = answer.kind;
    }
    if (left === 0) done(settle(session, next, refusal, copies, recording, options));
  };
  target.refresh(token, session.lane, onAnswer);
  for (let n = 1; n < copies; n++) target.refresh(token, undefined, onAnswer);
}

function settle(
  session: Session,
  next: string | undefined,
  refusal: string | undefined,
  copies: number,
  recording: Recording,
  { reissue }: RefreshOptions,
): Turn {
  if (next !== undefined) {
    session.token = next;
    return 'done';
  }
  if (copies > 1 && refusal?.startsWith('HTTP 4') === true) recording.error(NO_WINNER);
  // 429 and 5xx: the token is unspent, or resumes. 4xx: it is spent, or was never good.
  if (refusal === undefined || !refusal.startsWith('HTTP 4') || refusal === 'HTTP 429') return 'failed';
  recording.lostSessions += 1;
  if (reissue === undefined) {
    session.ended = true;
    return 'ended';
  }
  session.token = reissue();
  return 'failed';
}
