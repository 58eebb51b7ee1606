import { DEAD_LETTERS_OPTIONS } from './dead-letters-options.js';
import { ConfigError } from './errors.js';
import { deepFreeze } from './freeze.js';
import { resolve, type Flags } from './resolve.js';
import type { DeadLettersSettings } from './settings.js';
import { sharedSettings } from './shared-settings.js';
import type { Source } from './source.js';
import { userSettings } from './user-options.js';
import { DEAD_LETTER_ACTIONS } from './vocabulary.js';

const ID = /^[1-9]\d{0,17}$/;

/**
 * @param words what was typed without dashes: an action, and ids of letters
 * @throws {ConfigError} with everything that is wrong
 */
export function deadLettersSettings(
  flags: Flags,
  source: Source,
  [word = 'list', ...ids]: readonly string[] = [],
): DeadLettersSettings {
  const resolved = resolve(DEAD_LETTERS_OPTIONS, flags, source.env);
  const { values } = resolved;
  const problems = [...resolved.problems];
  const shared = sharedSettings(resolved, source, problems);
  const action = DEAD_LETTER_ACTIONS.find((one) => one === word);
  if (action === undefined) {
    problems.push(`dead-letters does one of ${DEAD_LETTER_ACTIONS.join(', ')}, not ${JSON.stringify(word)}.`);
  }
  if (ids.some((id) => !ID.test(id))) problems.push('The ids of letters are the numbers that `list` shows.');
  if (action === 'list' && ids.length > 0)
    problems.push('dead-letters list is about all letters, and takes no ids.');
  if (values.all && ids.length > 0) problems.push('--all and ids exclude each other. Leave one out.');
  if (action === 'drop' && !values.all && ids.length === 0)
    problems.push('dead-letters drop takes the ids that are to go, or --all.');
  if (action === undefined || problems.length > 0) throw new ConfigError(problems);
  return deepFreeze({
    command: 'dead-letters',
    ...shared,
    action,
    ids: ids.length > 0 ? ids : undefined,
    yes: values.yes,
    users: userSettings(values),
  });
}
