import { decodeToken } from '../support/tokens.js';
import type { Attempt, BlacklistedRow, History, OutstandingRow } from './history.js';

/** One token of the history: everything that was asked with it, and its rows. */
export interface TokenView {
  readonly family: string;
  readonly jti: string;
  /** In the order in which they were sent. */
  readonly attempts: readonly Attempt[];
  readonly row: OutstandingRow | undefined;
  readonly blacklisted: BlacklistedRow | undefined;
  /** Those of the answers 200, without repetition. */
  readonly successors: readonly string[];
}

export interface HistoryIndex {
  readonly history: History;
  readonly tokens: ReadonlyMap<string, TokenView>;
  readonly rowOf: ReadonlyMap<string, OutstandingRow>;
  /** By the id of the outstanding row. */
  readonly blacklistedOf: ReadonlyMap<string, BlacklistedRow>;
}

export function indexHistory(history: History): HistoryIndex {
  const rowOf = new Map(history.rows.outstanding.map((row) => [row.jti, row]));
  const blacklistedOf = new Map(history.rows.blacklisted.map((row) => [row.tokenId, row]));
  const bySent = [...history.attempts].sort((a, b) => a.sentAtMs - b.sentAtMs || a.requestId - b.requestId);
  const attemptsOf = groupBy(bySent, (attempt) => attempt.jti);
  const tokens = new Map<string, TokenView>();
  for (const [jti, attempts] of attemptsOf) {
    const row = rowOf.get(jti);
    const successors = attempts.map(successorOf).filter((successor) => successor !== undefined);
    tokens.set(jti, {
      family: attempts[0]!.family,
      jti,
      attempts,
      row,
      blacklisted: row && blacklistedOf.get(row.id),
      successors: [...new Set(successors)],
    });
  }
  return { history, tokens, rowOf, blacklistedOf };
}

/** Map.groupBy, which Node 20 does not have. */
export function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

/** The jti of the refresh token in a 200; undefined where there is no pair that can be read (told elsewhere). */
export function successorOf({ status, pair }: Attempt): string | undefined {
  const jti = status === 200 ? pair && claimsOf(pair.refresh)?.['jti'] : undefined;
  return typeof jti === 'string' ? jti : undefined;
}

export function claimsOf(token: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return decodeToken(token).claims;
  } catch {
    return undefined;
  }
}

/** True where a request may have spent its token: an answer 200, or no telling one. 401 and 429 promise it did not. */
export function mayHaveSpent({ status }: Attempt): boolean {
  return status !== 401 && status !== 429 && status !== 400;
}

/** True where the client cannot know whether its token was spent, and has to repeat it. */
export function isUnclear({ status }: Attempt): boolean {
  return status === 'none' || status >= 500;
}
