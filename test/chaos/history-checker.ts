import { checkAnswers } from './checks/answers.js';
import { checkFamilies } from './checks/families.js';
import { checkRows } from './checks/rows.js';
import { checkTokens } from './checks/tokens.js';
import { DEFAULT_RULES, type History, type Rules, type Violation } from './history.js';
import { indexHistory } from './history-index.js';

/**
 * Decides whether what clients saw and what stands in the database can both be true of a server that keeps its
 * word: at most one rotation a token, durable before the answer, resumable inside the grace, and never two live
 * tokens in a family. Returns every violation with its evidence; nothing found is an empty list.
 *
 * The history must be complete: clients went on until they had a 200 or a 401 for every token, and whatever was
 * owed to the database was written. Nobody logged out.
 */
export function checkHistory(history: History, rules: Partial<Rules> = {}): Violation[] {
  const index = indexHistory(history);
  const all = { ...DEFAULT_RULES, ...rules };
  return [
    ...checkAnswers(index, all),
    ...checkTokens(index, all),
    ...checkRows(index, all),
    ...checkFamilies(index),
  ];
}

/** A violation as a test's message: the rule, the token, and every request that has to do with it. */
export function describeViolation({ kind, family, jti, what, attempts }: Violation): string {
  const lines = attempts.map(
    ({ requestId, sentAtMs, endedAtMs, status }) =>
      `    request ${requestId}: sent at ${sentAtMs}, ${status} after ${endedAtMs - sentAtMs} ms`,
  );
  return [`${kind}: token ${jti} of family ${family}: ${what}`, ...lines].join('\n');
}
