import type { Attempt, Rules, Violation, ViolationKind } from '../history.js';
import {
  claimsOf,
  type HistoryIndex,
  isUnclear,
  mayHaveSpent,
  successorOf,
  type TokenView,
} from '../history-index.js';

/** Judges the answers by the rows: what was promised is there, and nothing is there that nobody was promised. */
export function* checkRows(index: HistoryIndex, rules: Rules): Iterable<Violation> {
  for (const token of index.tokens.values()) {
    const granted = token.attempts.filter(({ status }) => status === 200);
    const violation = violationOf(token);
    if (granted.length > 0 && token.row === undefined) {
      yield violation('token_not_outstanding', 'answered 200, but it has no row', granted);
    } else if (granted.length > 0 && token.blacklisted === undefined) {
      yield violation(
        'answered_but_not_blacklisted',
        'answered 200, but its row is not blacklisted',
        granted,
      );
    }
    // One answer for each successor: that all answers with it are alike is judged elsewhere.
    for (const jti of token.successors) {
      yield* checkSuccessor(
        token,
        granted.find((attempt) => successorOf(attempt) === jti)!,
        jti,
        index,
        // One of the wordings stands, where there may be two.
        rules.lateDoubles ? granted : [],
      );
    }
    if (token.blacklisted !== undefined) yield* checkClaim(token, token.blacklisted.blacklistedAtUs, rules);
  }
  for (const { id, jti, family } of index.history.rows.outstanding) {
    if (index.blacklistedOf.has(id) && !index.tokens.has(jti)) {
      yield {
        kind: 'spent_by_nobody',
        family,
        jti,
        what: `row ${id} is blacklisted, but nobody sent it`,
        attempts: [],
      };
    }
  }
}

function* checkSuccessor(
  token: TokenView,
  answer: Attempt,
  jti: string,
  index: HistoryIndex,
  others: readonly Attempt[],
): Iterable<Violation> {
  const violation = violationOf(token);
  const row = index.rowOf.get(jti);
  if (row === undefined) {
    yield violation('successor_not_outstanding', `its successor ${jti} has no row`, [answer]);
    return;
  }
  const handedOut = [answer, ...others].some(({ pair }) => pair?.refresh === row.token);
  // The other claim's answer may be the one that never came.
  if (!handedOut && !(others.length > 0 && token.attempts.some(isUnclear))) {
    yield violation(
      'stored_token_differs',
      `row ${row.id} holds another token than was handed out`,
      token.attempts,
    );
  }
  // The marker of a rotation of ours: one time for the claim and its successor, to the microsecond.
  const claimedAtUs = token.blacklisted?.blacklistedAtUs;
  if (claimedAtUs !== undefined && claimedAtUs !== row.createdAtUs) {
    yield violation(
      'marker_differs',
      `blacklisted at ${claimedAtUs}, successor created at ${row.createdAtUs}`,
      [answer],
    );
  }
  const iat = claimsOf(row.token)?.['iat'];
  if (iat !== Number(row.createdAtUs / 1_000_000n)) {
    yield violation('iat_differs', `iat ${String(iat)} of a successor created at ${row.createdAtUs}`, [
      answer,
    ]);
  }
}

function* checkClaim(token: TokenView, claimedAtUs: bigint, rules: Rules): Iterable<Violation> {
  const violation = violationOf(token);
  const [first] = token.attempts.filter(mayHaveSpent);
  if (first === undefined) {
    yield violation('refused_but_spent', 'every request was refused, yet it is blacklisted', token.attempts);
    return;
  }
  const claimedAtMs = Number(claimedAtUs / 1000n);
  const grantedAtMs = token.attempts.filter(({ status }) => status === 200).map(({ endedAtMs }) => endedAtMs);
  const earliestMs = first.sentAtMs - rules.clockSlackMs;
  const latestMs = Math.min(...grantedAtMs, Infinity) + rules.clockSlackMs;
  if (claimedAtMs < earliestMs || claimedAtMs > latestMs) {
    const what = `claimed at ${claimedAtMs}, which is not within ${earliestMs} and ${latestMs}`;
    yield violation('claimed_at_another_time', what, token.attempts);
  }
}

function violationOf({ family, jti }: TokenView) {
  return (kind: ViolationKind, what: string, attempts: readonly Attempt[]): Violation => {
    return { kind, family, jti, what, attempts };
  };
}
