import { ConfigError } from './errors.js';
import { deepFreeze } from './freeze.js';
import { resolve, type Flags } from './resolve.js';
import { SESSIONS_OPTIONS } from './sessions-options.js';
import type { SharedSettings } from './settings.js';
import type { ClaimNameSettings, UserSettings } from './parts.js';
import { sharedSettings } from './shared-settings.js';
import type { Source } from './source.js';
import { passwordSettings, userSettings } from './user-options.js';

export interface SessionsSettings extends SharedSettings {
  readonly command: 'sessions';
  /** As tokens name the user. */
  readonly userKey: string;
  /** Sessions at most. */
  readonly limit: number;
  readonly leewaySeconds: number;
  /** Undefined: sessions last for as long as they are refreshed. */
  readonly sessionLifetimeSeconds: number | undefined;
  readonly names: Pick<ClaimNameSettings, 'tokenType' | 'slidingEnd' | 'revoke'>;
  readonly users: UserSettings;
}

/** @throws {ConfigError} with everything that is wrong */
export function sessionsSettings(flags: Flags, source: Source): SessionsSettings {
  const resolved = resolve(SESSIONS_OPTIONS, flags, source.env);
  const { values } = resolved;
  const lifetime = values['session-lifetime'];
  const problems = [...resolved.problems];
  const shared = sharedSettings(resolved, source, problems);
  if (values['token-tables'] === 'none')
    problems.push(
      '--token-tables none and sessions exclude each other: a session is known by the row of its token, and without the ' +
        "blacklist app nothing is written down of a log-in. Look at what your site records itself (Django's " +
        'last_login); `revoke --user` ends all sessions of a user there, too.',
    );
  if (values.user === undefined && problems.length === 0)
    problems.push('sessions takes --user: the id of a user as tokens name it.');
  if (problems.length > 0 || values.user === undefined) throw new ConfigError(problems);
  return deepFreeze({
    command: 'sessions',
    ...shared,
    userKey: values.user,
    limit: values.limit,
    leewaySeconds: values.leeway,
    sessionLifetimeSeconds: lifetime === 'off' ? undefined : lifetime,
    names: {
      tokenType: values['token-type-claim'],
      slidingEnd: values['sliding-refresh-exp-claim'],
      revoke: values['revoke-claim'],
    },
    users: { ...userSettings(values), ...passwordSettings(values) },
  });
}
