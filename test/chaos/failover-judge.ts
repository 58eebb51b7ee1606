import { checkHistory } from './history-checker.js';
import type { Attempt, History, Violation, ViolationKind } from './history.js';
import { GRACE_MS } from './kill.js';

/** One promotion, by the clients' clock. */
export interface Promotion {
  /** Since when the standby heard nothing. */
  readonly cutAtMs: number;
  readonly killedAtMs: number;
  readonly promotedAtMs: number;
  /** Tokens that had been answered 200 and have no row on the server that took over. */
  readonly lost: ReadonlySet<string>;
}

/** What follows from lost rows, and from nothing else (rule 36). */
const OF_LOST_ROWS: ReadonlySet<ViolationKind> = new Set([
  'answered_but_not_blacklisted',
  'token_not_outstanding',
  'successor_not_outstanding',
]);

/** What may be said of a token that came twice, whose first rotation was lost: its successor is the same, in other words. */
const OF_ANOTHER_CLAIM: ReadonlySet<ViolationKind> = new Set([
  'pairs_differ',
  'stored_token_differs',
  'marker_differs',
  'claimed_at_another_time',
  'replayed_after_use',
  'repeat_refused',
]);

/**
 * What must not be, though commits were lost: of tokens that were not lost everything that is never allowed, and of those
 * that were, all but what the loss of their rows explains.
 */
export function checkFailovers(
  history: History,
  promotions: readonly Promotion[],
  lateDoubles: boolean,
): Violation[] {
  const lost = new Set(promotions.flatMap((promotion) => [...promotion.lost]));
  const madeOf = new Set<string>();
  for (const attempt of history.attempts) {
    if (attempt.pair !== undefined && lost.has(attempt.jti)) madeOf.add(jtiOf(attempt.pair.refresh));
  }
  return checkHistory(history, { graceMs: GRACE_MS, lateDoubles }).flatMap((violation) => {
    const { kind, family, jti } = violation;
    if (kind === 'two_live_tokens') return liveBeside(history, family, lost) > 1 ? [violation] : [];
    if (lost.has(jti) && (OF_LOST_ROWS.has(kind) || OF_ANOTHER_CLAIM.has(kind))) return [];
    // Its row was made anew when it was spent, for a claim that is lost made it.
    if (kind === 'row_without_claim' && madeOf.has(jti)) return [];
    return [violation];
  });
}

/** Live rows of a family, but for those of tokens that were spent and whose rows are lost. */
function liveBeside({ rows }: History, family: string, lost: ReadonlySet<string>): number {
  const spent = new Set(rows.blacklisted.map(({ tokenId }) => tokenId));
  return rows.outstanding.filter((row) => row.family === family && !spent.has(row.id) && !lost.has(row.jti))
    .length;
}

export function jtiOf(token: string): string {
  const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    jti: string;
  };
  return payload.jti;
}

/** Families that ended with a token that is refused: their client has nothing left to go on with. */
export function loggedOut(attempts: readonly Attempt[]): string[] {
  const last = new Map<string, Attempt[]>();
  for (const attempt of [...attempts].sort((a, b) => a.sentAtMs - b.sentAtMs)) {
    const before = last.get(attempt.family);
    if (before?.[0]?.jti === attempt.jti) before.push(attempt);
    else last.set(attempt.family, [attempt]);
  }
  return [...last]
    .filter(([, asked]) => asked.every(({ status }) => status !== 200))
    .filter(([, asked]) => asked.some(({ status }) => status === 401))
    .map(([family]) => family);
}

/** How long after the promotion the last family was answered 200 for something that was sent after it. */
export function backMs(
  attempts: readonly Attempt[],
  { promotedAtMs }: Promotion,
  families: readonly string[],
): number {
  const first = new Map<string, number>();
  for (const { family, status, sentAtMs, endedAtMs } of attempts) {
    if (status !== 200 || sentAtMs < promotedAtMs) continue;
    first.set(family, Math.min(first.get(family) ?? Infinity, endedAtMs));
  }
  return Math.max(...families.map((family) => (first.get(family) ?? Infinity) - promotedAtMs));
}
