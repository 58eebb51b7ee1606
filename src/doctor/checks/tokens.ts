import {
  cannotTell,
  fault,
  note,
  ofTables,
  warning,
  type Check,
  type Finding,
  type Judged,
  type Reached,
} from '../check.js';
import { START } from '../../rotation/session-start.js';
import type { Evidence } from '../evidence.js';
import { current, isOfKeys, mainFate, told } from '../fates.js';
import type { Fate, TokenSample } from '../token-sample.js';

/** A look at the sampled tokens that can still be refreshed. */
function ofSamples(
  id: string,
  title: string,
  judge: (samples: readonly TokenSample[], database: Reached, evidence: Evidence) => Judged,
): Check {
  return ofTables(id, title, (database, evidence) => {
    const { samples } = database;
    if ('why' in samples) return cannotTell(`the tokens could not be read: ${samples.why}`);
    if (samples.value.length === 0) {
      return cannotTell(
        database.facts.tables.some((table) => table.hidden_rows)
          ? 'row-level security hides the tokens'
          : 'the table holds no token yet: log in once at Django, then run this again',
      );
    }
    return judge(current(samples.value), database, evidence);
  });
}

/** Those that these keys accept: of another application's tokens nothing is to be said. */
export function ofOurSamples(
  id: string,
  title: string,
  judge: (samples: readonly TokenSample[], database: Reached, evidence: Evidence) => Judged,
): Check {
  return ofSamples(id, title, (samples, database, evidence) => {
    const ours = samples.filter(isOfKeys);
    return ours.length === 0
      ? cannotTell('none of the tokens is accepted with these keys')
      : judge(ours, database, evidence);
  });
}

/** The newest rows of the sample are one application's alone where another one is that much busier. */
const NEWEST = 8;

/** What is wrong with what a token says of itself. Keys, users and clocks have checks of their own. */
const OF_CLAIMS: ReadonlySet<Fate> = new Set([
  'claims', 'no_id', 'bad_id', 'no_type', 'wrong_type', 'no_refresh_exp', 'bad_user', 'nan',
]); // prettier-ignore

/** Refused by a check above or below that says so as a fault. */
const TOLD_ELSEWHERE: ReadonlySet<Fate> = new Set([
  ...OF_CLAIMS, 'unreadable', 'algorithm', 'signature', 'issuer', 'audience', 'user_unfit', 'inactive',
  'password_changed',
]); // prettier-ignore

/** With fewer it may be chance that none was refreshed. */
const UNROTATED_MIN = 20;
/** A page that is open has refreshed by then, whatever an access token's life. */
const UNROTATED_AGE_SECONDS = 3 * 3_600;

export const TOKEN_CHECKS: readonly Check[] = [
  ofSamples('same_key', 'tokens of the database were signed with this key', (samples, _, evidence) => {
    if (evidence.keys.error !== undefined) return cannotTell("the keys can't be used");
    const refused = samples.filter((sample) => !isOfKeys(sample));
    const main = mainFate(refused);
    if (main === undefined) return [];
    const { what, mend } = told(main, refused, evidence.options);
    const accepted = samples.filter(isOfKeys);
    if (accepted.length === 0) {
      return [fault(`The newest tokens ${what}: everybody would be logged out.`, mend)];
    }
    const newest = samples.slice(0, NEWEST).some(isOfKeys);
    const sentence = `${accepted.length} of ${samples.length} sampled tokens verify with these keys, the newest of them made at ${madeAt(accepted)}; the others ${what}.`;
    const either =
      "Nothing is to be done where another application shares the tables. Where Django's key was changed: the new one is the signing key, the old one goes to --verifying-key-file for a refresh lifetime.";
    return [
      newest ? note(sentence, either) : warning(sentence, `${either} None of the newest ${NEWEST} verifies.`),
    ];
  }),
  ofOurSamples('claims', 'tokens have the claims that a refresh reads', (samples, _, { options }) => {
    const bad = samples.filter(({ fate }) => OF_CLAIMS.has(fate));
    const main = mainFate(bad);
    if (main === undefined) return [];
    const { what, mend } = told(main, bad, options);
    return bad.length === samples.length
      ? [fault(`The tokens ${what}: none of them would be refreshed.`, mend)]
      : [warning(`${bad.length} of ${samples.length} tokens ${what}: they are refused.`, mend)];
  }),
  ofSamples('refreshable', 'tokens that are not spent would be refreshed', (samples, _, { options }) => {
    const unspent = samples.filter(({ spent, expired }) => spent !== true && !expired);
    if (unspent.length === 0) return cannotTell('no token of the sample is unspent and unexpired');
    if (unspent.some(({ fate }) => fate === 'accepted')) return [];
    const fates = [...new Set(unspent.map(({ fate }) => fate))];
    if (fates.length === 1 && fates.every((fate) => TOLD_ELSEWHERE.has(fate))) {
      return cannotTell('all are refused for one reason, which another check tells');
    }
    return fates.flatMap((fate) => {
      if (fate === 'accepted') return [];
      const of = unspent.filter((sample) => sample.fate === fate);
      const { what, mend } = told(fate, of, options);
      return fault(`Of ${unspent.length} tokens none would be refreshed; ${of.length} ${what}.`, mend);
    });
  }),
  ofOurSamples('numeric_sub', 'no token has a number for its subject', (samples, _, { options }) => {
    const numeric = samples.filter(({ numericSub }) => numericSub).length;
    if (numeric === 0 || options.subAsText) return [];
    return [
      warning(
        `${numeric} of ${samples.length} sampled tokens have an integer sub: PyJWT refuses it from 2.10 on, so Django's API answers 401 to what a refresh gives.`,
        'Set --sub-as-text once all instances run this release: then what is signed has it as text.',
      ),
    ];
  }),
  lifetimeCheck('lifetime', 'refresh', 'REFRESH_TOKEN_LIFETIME', (options) => options.refreshLifetimeSeconds),
  lifetimeCheck(
    'sliding_lifetime',
    'sliding',
    'SLIDING_TOKEN_LIFETIME',
    (options) => options.slidingLifetimeSeconds,
  ),
  ofOurSamples('rotation', 'Django rotates as --rotation says', (samples, { nowMs }, { options }) => {
    // Both kinds of client are expected.
    if (options.rotation === 'offered') return 'unused';
    const old = samples.filter(
      ({ type, issuedAtSeconds, expired }) =>
        type === 'refresh' &&
        !expired &&
        (issuedAtSeconds ?? Infinity) < nowMs / 1000 - UNROTATED_AGE_SECONDS,
    );
    if (old.some(({ spent }) => spent === undefined)) return cannotTell('the blacklist may not be read');
    if (old.length < UNROTATED_MIN) {
      return cannotTell(`fewer than ${UNROTATED_MIN} sampled tokens are older than 3 hours`);
    }
    const spent = old.filter((sample) => sample.spent === true).length;
    if (options.rotation === 'on') return spent > 0 ? [] : [unrotated(old.length)];
    // Log-outs spend tokens, too, but not most of them.
    return spent <= old.length / 2 ? [] : [rotatesAfterAll(spent, old.length, options.rotation)];
  }),
  ofOurSamples(
    'password_claim',
    'a changed password ends sessions, as at Django',
    (samples, _, { options }) => {
      const { revoke } = options.names;
      const found = samples.find(({ passwordClaim }) => passwordClaim !== undefined)?.passwordClaim;
      if (revoke !== undefined) return judgePasswords(samples, revoke, found, options);
      if (found === undefined) return [];
      const flags = `--revoke-claim ${found.name}${found.hash === 'md5' ? '' : ` --revoke-claim-hash ${found.hash}`}`;
      return [
        warning(
          `Tokens carry the claim ${found.name}: Django's CHECK_REVOKE_TOKEN is on. This server does not compare it: after a change of the password refreshes go on, and Django's API answers 401 to what they give.`,
          `Set ${flags}, and run \`carelink-tokens migrate --notify\` again where the triggers are installed.`,
        ),
      ];
    },
  ),
];

/** Of tokens whose password is compared: whether the setting fits what they hold. */
function judgePasswords(
  samples: readonly TokenSample[],
  revoke: string,
  found: TokenSample['passwordClaim'],
  options: Evidence['options'],
): Judged {
  const changed = samples.filter(({ fate }) => fate === 'password_changed');
  const judged = samples.filter(({ fate }) => fate === 'password_changed' || fate === 'accepted');
  if (judged.length === 0) return cannotTell('no token of the sample gets as far as its user');
  if (changed.length < judged.length) return [];
  const { what, mend } = told('password_changed', changed, options);
  const hint = found === undefined || found.name === revoke ? '' : ` They have a hash in ${found.name}.`;
  return [fault(`All of ${judged.length} sampled tokens ${what}: they are all refused.${hint}`, mend)];
}

function unrotated(count: number): Finding {
  return warning(
    `None of ${count} tokens that are older than 3 hours was ever spent: ROTATE_REFRESH_TOKENS or BLACKLIST_AFTER_ROTATION seems to be off at Django, as both are by default.`,
    "This server rotates and blacklists. Say --rotation off (or keep) to do as Django does, or --rotation offered to move to rotation: docs/rotation.md. Otherwise make sure that every client stores the refresh token of each answer: one that keeps the log-in's is logged out at its second refresh.",
  );
}

function rotatesAfterAll(spent: number, count: number, rotation: 'off' | 'keep'): Finding {
  return warning(
    `${spent} of ${count} tokens that are older than 3 hours are spent: Django seems to rotate and blacklist, and --rotation ${rotation} does not.`,
    'If ROTATE_REFRESH_TOKENS and BLACKLIST_AFTER_ROTATION are on at Django, leave --rotation out.',
  );
}

/** A rotation here must not shorten, or lengthen, what a log-in gave. */
function lifetimeCheck(
  id: string,
  type: 'refresh' | 'sliding',
  setting: string,
  configured: (options: Evidence['options']) => number,
): Check {
  return ofOurSamples(id, `${type} tokens live as long as Django's`, (samples, _, { options }) => {
    // A session that has a start may have an end, and its last tokens live as long as is left of it.
    const whole = samples.filter((one) => one.type === type && !one.claims.includes(START));
    const lifetimes = whole.flatMap(({ lifetimeSeconds }) => lifetimeSeconds ?? []);
    if (lifetimes.length === 0)
      return type === 'sliding' ? 'unused' : cannotTell('no refresh token is in the sample');
    const ours = configured(options);
    const others = lifetimes.filter((seconds) => Math.abs(seconds - ours) > 1);
    const theirs = mostCommon(others);
    if (theirs === undefined) return [];
    return [
      warning(
        `${others.length} of ${lifetimes.length} ${type} tokens live ${theirs} s, and those that this server makes live ${ours} s.`,
        `If Django's ${setting} is meant to hold, set --${type}-lifetime ${theirs}s.`,
      ),
    ];
  });
}

function mostCommon(numbers: readonly number[]): number | undefined {
  const count = (number: number): number => numbers.filter((other) => other === number).length;
  return [...numbers].sort((a, b) => count(b) - count(a))[0];
}

function madeAt(samples: readonly TokenSample[]): string {
  const newest = Math.max(...samples.map(({ issuedAtSeconds }) => issuedAtSeconds ?? 0));
  return new Date(newest * 1000).toISOString();
}
