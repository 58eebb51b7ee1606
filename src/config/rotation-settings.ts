import type { Resolved } from './resolve.js';
import type { SERVE_OPTIONS } from './serve-options.js';
import type { RotationChoices } from './parts.js';

/** What the policy and all that belongs to it come to; whatever the policy makes meaningless is a problem, with the reason. */
export function rotationSettings(
  { values, given }: Pick<Resolved<typeof SERVE_OPTIONS>, 'values' | 'given'>,
  problems: string[],
): RotationChoices {
  const policy = values.rotation;
  const tokenTables = values['token-tables'] === 'required';
  const choices: RotationChoices = {
    policy,
    tokenTables,
    verifyBlacklist: tokenTables && verifies(values['verify-blacklist'], policy),
    blacklist: values.blacklist,
    requestTimeoutMs: values['request-timeout'],
    reuseGraceMs: given['reuse-grace'] === undefined ? graceOf(values) : values['reuse-grace'],
    onReuse: values['on-reuse'],
  };
  if (policy === 'off' || policy === 'keep') problems.push(...meaningless(choices, SPENDS_NOTHING[policy]));
  if (!tokenTables) problems.push(...withoutTables(choices, values['verify-blacklist']));
  else if (values['verify-blacklist'] === 'off' && (policy === 'on' || policy === 'offered')) {
    problems.push(
      `--verify-blacklist off is for --rotation off and keep: a token that --rotation ${policy} has spent is good for nothing.`,
    );
  }
  return choices;
}

/** Tabs of such a site share one cookie and refresh at the same time: who comes second gets the same pair (rule 41). */
const DJ_REST_AUTH_GRACE_MS = 10_000;

/** Where none is given. */
function graceOf(values: Resolved<typeof SERVE_OPTIONS>['values']): number {
  const spends = values.rotation === 'on' || values.rotation === 'offered';
  return spends && values['cookie-style'] === 'dj-rest-auth' ? DJ_REST_AUTH_GRACE_MS : values['reuse-grace'];
}

const SPENDS_NOTHING = {
  off: '--rotation off spends no token',
  keep: '--rotation keep spends no token: both the old one and the new one stay good',
} as const;

function meaningless({ blacklist, reuseGraceMs, onReuse }: RotationChoices, why: string): string[] {
  return [
    ...(onReuse === 'reject'
      ? []
      : [`${why}, so a token that comes again is no reuse: leave --on-reuse ${onReuse} out.`]),
    ...(reuseGraceMs === 0 ? [] : [`${why}, so there is nothing to repeat: leave --reuse-grace out.`]),
    ...(blacklist === 'async'
      ? [`${why}, so there is nothing to write behind: leave --blacklist async out.`]
      : []),
  ];
}

function withoutTables({ policy }: RotationChoices, verifyBlacklist: 'auto' | 'on' | 'off'): string[] {
  const problems: string[] = [];
  if (policy === 'on') {
    problems.push(
      '--token-tables none and --rotation on exclude each other: a token is spent by a row in those tables. Without the ' +
        'blacklist app simplejwt keeps old tokens good: say --rotation keep, or --rotation off where ROTATE_REFRESH_TOKENS is False.',
    );
  }
  if (policy === 'offered') {
    problems.push(
      '--token-tables none and --rotation offered exclude each other: a token is spent by a row in those tables. Install ' +
        'the blacklist app first.',
    );
  }
  if (verifyBlacklist === 'on') {
    problems.push('--token-tables none and --verify-blacklist on exclude each other: there is no blacklist.');
  }
  return problems;
}

/** With rotation off BLACKLIST_AFTER_ROTATION may be on or off: no blacklisted token is called good unless that is asked for. */
function verifies(asked: 'auto' | 'on' | 'off', policy: RotationChoices['policy']): boolean {
  return asked === 'auto' ? policy !== 'keep' : asked === 'on';
}

/** What of the environment does nothing under this policy. */
export function unusedOf({
  values,
  given,
}: Pick<Resolved<typeof SERVE_OPTIONS>, 'values' | 'given'>): string[] {
  const { rotation } = values;
  const warnings: string[] = [];
  if (values['redis-url'] !== undefined && (rotation === 'off' || rotation === 'keep')) {
    warnings.push(
      `${given['redis-url'] ?? '--redis-url'} is not used: with --rotation ${rotation} nothing is remembered of tokens.`,
    );
  }
  if (values['token-tables'] === 'none' && typeof values['cleanup-every'] === 'number') {
    warnings.push(
      `${given['cleanup-every'] ?? '--cleanup-every'} does nothing: without token tables there are no rows to remove.`,
    );
  }
  return warnings;
}
