import type { Attempt, Rules, Violation, ViolationKind } from '../history.js';
import { type HistoryIndex, isUnclear, mayHaveSpent, successorOf, type TokenView } from '../history-index.js';

/** Judges all answers to one token by one another. */
export function* checkTokens(index: HistoryIndex, rules: Rules): Iterable<Violation> {
  const told = (token: string | undefined) =>
    rules.keysChange ? token?.slice(0, token.lastIndexOf('.')) : token;
  for (const token of index.tokens.values()) {
    const { family, jti, attempts } = token;
    const violation = (kind: ViolationKind, what: string, evidence: readonly Attempt[] = attempts) => {
      return { kind, family, jti, what, attempts: evidence };
    };
    const granted = attempts.filter(({ status }) => status === 200);
    const refused = attempts.filter(({ status }) => status === 401);

    if (token.successors.length > 1) {
      yield violation('successors_differ', `its successors are ${token.successors.join(', ')}`, granted);
    } else if (
      !rules.lateDoubles &&
      new Set(granted.map(({ pair }) => `${told(pair?.access)} ${told(pair?.refresh)}`)).size > 1
    ) {
      yield violation('pairs_differ', 'one successor, but not the same bytes every time', granted);
    }
    if (rules.graceMs === 0 && granted.length > 1 && !rules.lateDoubles) {
      yield violation('answered_twice', `200 ${granted.length} times, with no grace`, granted);
    }
    if (granted.length + refused.length === 0) {
      const unclear = attempts.filter(isUnclear).length;
      yield violation(
        'never_resumed',
        `after ${attempts.length} requests (${unclear} unclear) neither 200 nor 401`,
      );
    }
    for (const attempt of granted) {
      const evidence = replayedTooLate(attempt, token, index, rules);
      if (evidence !== undefined) yield violation(evidence.kind, evidence.what, [evidence.before, attempt]);
    }
    for (const attempt of attempts) {
      // Only what was sent before this answer was there can have had a part in it.
      const others = attempts.filter((other) => other !== attempt && other.sentAtMs <= attempt.endedAtMs);
      if (attempt.status === 429 && others.length === 0) {
        yield violation('busy_alone', '429, but nobody else had sent it', [attempt]);
      }
      if (attempt.status !== 401) continue;
      const spenders = others.filter(mayHaveSpent);
      if (spenders.length === 0) {
        yield violation('refused_while_live', '401 before anything could have spent it', [attempt]);
      } else if (isOwedRepeat(attempt, spenders[0]!, token, index, rules)) {
        yield violation('repeat_refused', `401 within the grace of ${rules.graceMs} ms`, [
          ...spenders,
          attempt,
        ]);
      }
    }
  }
}

/** A repeat of an answered token is good only inside the grace, and only while the successor is unused. */
function replayedTooLate(attempt: Attempt, token: TokenView, index: HistoryIndex, rules: Rules) {
  const before = token.attempts.find((other) => other.status === 200 && other.endedAtMs <= attempt.sentAtMs);
  if (before === undefined) return undefined;
  const claimedAtMs = token.blacklisted ? Number(token.blacklisted.blacklistedAtUs) / 1000 : before.endedAtMs;
  const ageMs = attempt.sentAtMs - claimedAtMs;
  if (rules.graceMs > 0 && ageMs > rules.graceMs + rules.clockSlackMs) {
    return { kind: 'replayed_after_grace', before, what: `200 again ${ageMs} ms after the claim` } as const;
  }
  const successor = successorOf(attempt);
  const used = index.tokens
    .get(successor ?? '')
    ?.attempts.find((other) => other.status === 200 && other.endedAtMs <= attempt.sentAtMs);
  if (used === undefined) return undefined;
  return {
    kind: 'replayed_after_use',
    before: used,
    what: 'sent when its successor had been rotated, yet 200',
  } as const;
}

/**
 * True where a 401 broke the promise of the grace. The claim came no earlier than the first request that can have
 * made it, so an answer that was there one grace after that was given inside it, whatever the clocks.
 */
function isOwedRepeat(
  refusal: Attempt,
  first: Attempt,
  token: TokenView,
  index: HistoryIndex,
  rules: Rules,
): boolean {
  if (refusal.endedAtMs > first.sentAtMs + rules.graceMs) return false;
  return !token.successors.some((successor) =>
    index.tokens
      .get(successor)
      ?.attempts.some((use) => mayHaveSpent(use) && use.sentAtMs <= refusal.endedAtMs),
  );
}
