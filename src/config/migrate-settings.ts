import { GRANTED_COMMANDS } from '../granted-commands.js';
import { ConfigError } from './errors.js';
import { deepFreeze } from './freeze.js';
import { MIGRATE_OPTIONS } from './migrate-options.js';
import { resolve, type Flags } from './resolve.js';
import type { MigrateSettings } from './settings.js';
import { sharedSettings } from './shared-settings.js';
import type { Source } from './source.js';
import { MIGRATE_ACTIONS } from './vocabulary.js';
import { passwordSettings, userSettings } from './user-options.js';

/**
 * @param words what was typed without dashes: an action, and names of migrations
 * @throws {ConfigError} with everything that is wrong
 */
export function migrateSettings(
  flags: Flags,
  source: Source,
  [word = 'up', ...names]: readonly string[] = [],
): MigrateSettings {
  const { values, given, problems: found } = resolve(MIGRATE_OPTIONS, flags, source.env);
  const problems = [...found];
  const shared = sharedSettings({ values, given }, source, problems);
  const action = MIGRATE_ACTIONS.find((one) => one === word);
  if (action === undefined) {
    problems.push(`migrate does one of ${MIGRATE_ACTIONS.join(', ')}, not ${JSON.stringify(word)}.`);
  } else if (action === 'grants') {
    const unknown = names.filter((name) => !GRANTED_COMMANDS.some((command) => command === name));
    if (unknown.length > 0)
      problems.push(`migrate grants is for ${GRANTED_COMMANDS.join(', ')}, not ${unknown.join(', ')}.`);
    if (shared.database.kind === 'embedded')
      problems.push(
        'migrate grants needs --database-url: the embedded PostgreSQL has one role, which owns all.',
      );
  } else if (names.length > 0 && action !== 'up' && action !== 'down') {
    problems.push(`migrate ${action} is about all migrations, and takes no names.`);
  }
  if (values['dry-run'] && action !== undefined && action !== 'repair')
    problems.push(
      '--dry-run is for migrate repair: what up would do is shown by migrate plan, and by migrate down without --yes.',
    );
  const tokenTables = values['token-tables'] === 'required';
  if (!tokenTables && values['create-tables'])
    problems.push('--token-tables none and --create-tables exclude each other: leave one out.');
  if (!tokenTables && values.notify)
    problems.push(
      '--token-tables none and --notify exclude each other: its triggers are on the token tables.',
    );
  if (action === undefined || problems.length > 0) throw new ConfigError(problems);
  return deepFreeze({
    command: 'migrate',
    ...shared,
    action,
    names,
    createTables: values['create-tables'],
    buildCovered: values['build-covered'],
    notify: values.notify,
    tokenTables,
    users: { ...userSettings(values), ...passwordSettings(values) },
    home: values['home-schema'],
    role: values.role,
    subscribersReady: values['subscribers-ready'],
    dryRun: values['dry-run'],
    dropTables: values['drop-tables'],
    yes: values.yes,
    lockTimeoutMs: values['lock-timeout'],
    maxWaitMs: values['max-wait'],
  });
}
