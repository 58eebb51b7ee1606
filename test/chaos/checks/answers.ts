import type { Attempt, Rules, Violation, ViolationKind } from '../history.js';
import { claimsOf, type HistoryIndex } from '../history-index.js';

/** What the contract knows of a refresh; 500 and every other status is a finding. */
const EXPECTED = new Set<Attempt['status']>([200, 401, 429, 503, 'none']);
/** The server derives its jtis from a MAC and writes them as simplejwt writes uuids: 32 hex digits. */
const JTI = /^[0-9a-f]{32}$/;

/** Judges every answer by itself: its status, and the pair it hands out. */
export function* checkAnswers({ history }: HistoryIndex, rules: Rules): Iterable<Violation> {
  for (const attempt of history.attempts) {
    const { family, jti } = attempt;
    const violation = (kind: ViolationKind, what: string) => ({
      kind,
      family,
      jti,
      what,
      attempts: [attempt],
    });
    if (!EXPECTED.has(attempt.status)) yield violation('unexpected_status', `answered ${attempt.status}`);
    if (attempt.status !== 200) continue;

    const refresh = attempt.pair && claimsOf(attempt.pair.refresh);
    const access = attempt.pair && claimsOf(attempt.pair.access);
    if (refresh === undefined || access === undefined) {
      yield violation('malformed_pair', 'a 200 without a pair of tokens');
      continue;
    }
    const wrong = shapeProblem(jti, refresh, access);
    if (wrong !== undefined) yield violation('malformed_pair', wrong);
    if ([refresh, access].some((claims) => String(claims['user_id']) !== family)) {
      yield violation(
        'pair_of_another_user',
        `user_id ${String(refresh['user_id'])} and ${String(access['user_id'])}`,
      );
    }
    const lifetimes = [refresh, access].map((claims) => Number(claims['exp']) - Number(claims['iat']));
    if (lifetimes[0] !== rules.refreshLifetimeSeconds || lifetimes[1] !== rules.accessLifetimeSeconds) {
      yield violation('wrong_lifetime', `refresh and access live for ${lifetimes.join(' and ')} seconds`);
    }
  }
}

type Claims = Readonly<Record<string, unknown>>;

function shapeProblem(presented: string, refresh: Claims, access: Claims): string | undefined {
  if (refresh['token_type'] !== 'refresh' || access['token_type'] !== 'access') return 'wrong token types';
  const jtis = [presented, refresh['jti'], access['jti']];
  if (jtis.slice(1).some((jti) => typeof jti !== 'string' || !JTI.test(jti)))
    return 'a jti that is not 32 hex digits';
  if (new Set(jtis).size !== 3) return 'a jti that is not new';
  if (refresh['iat'] !== access['iat']) return 'two different iat in one pair';
  return undefined;
}
