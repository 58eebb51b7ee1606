import { gaugeOf, sumOf } from '../metric-reading.js';
import { REFUSALS, type Refusal } from '../refusals.js';
import type { AlertRule, Reading, Symptom } from './alert.js';

/**
 * Where all is well fewer than one in a hundred refreshes is refused for its form: clients send what they were given. A
 * fifth is no chance, and early enough while a new key at Django reaches one client after the other.
 */
const SHARE = 0.2;
/** One client that sends a broken token in a loop is one token. */
const TOKENS_MIN = 10;
/** One client, or one address that somebody tries tokens from, is not the site. */
const CLIENTS_MIN = 3;

/** In words, for the detail. */
const MEANING: Readonly<Record<Refusal, string>> = {
  invalid: 'key, algorithm, audience or issuer',
  malformed: 'claim names or token type',
  inactive: 'user table',
  password_changed: '--revoke-claim, its hash, and the password column',
};

/**
 * A key, a claim name or a user table that is not Django's refuses everybody, and every store answers.
 *
 * It takes different tokens that look right, from several clients. From fewer clients it counts only where nobody at all
 * is refreshed: a hospital may be behind one address, and then so is every one of its refusals.
 */
export const REFUSALS_UNUSUAL: AlertRule = {
  code: 'REFUSALS_UNUSUAL',
  severity: 'critical',
  title: 'Far more tokens are refused than usual',
  action:
    'Run `carelink-tokens doctor` with the options of serve: it says whether key, algorithm, audience, claim names and user table are those of Django. If they are, look in the log of the proxy who sends these tokens.',
  forMs: 0,
  clearMs: 60_000,
  judge(now, _, longBefore) {
    const grown = (outcome?: string): number =>
      counted(now, outcome) - (longBefore ? counted(longBefore, outcome) : 0);
    const all = grown() - grown('bad_request');
    const refreshed = grown('rotated') + grown('replayed') + grown('reissued');
    return REFUSALS.flatMap((outcome): readonly Symptom[] => {
      const refused = grown(outcome);
      const tokens = gaugeOf(now.metrics, 'carelink_refused_tokens', { outcome }) ?? 0;
      const clients = gaugeOf(now.metrics, 'carelink_refused_clients', { outcome }) ?? 0;
      if (tokens < TOKENS_MIN || refused < SHARE * all) return [];
      if (clients < CLIENTS_MIN && refreshed > 0) return [];
      const percent = Math.round((refused / all) * 100);
      return [
        {
          subject: outcome,
          detail: `${refused} of ${all} refreshes in five minutes (${percent} %) were ${outcome}: look at ${MEANING[outcome]}`,
        },
      ];
    });
  },
};

function counted({ metrics }: Reading, outcome: string | undefined): number {
  return sumOf(metrics, 'carelink_token_refresh_total', outcome === undefined ? {} : { outcome }) ?? 0;
}
