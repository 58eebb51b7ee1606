import { ConfigError } from './errors.js';
import type { CompletionSettings } from './settings.js';
import { SHELLS } from './vocabulary.js';

/**
 * The environment is not read: a start file of a shell asks for this in every environment there is.
 *
 * @throws {ConfigError} for a shell that there is no completion for
 */
export function completionSettings(words: readonly string[]): CompletionSettings {
  const shell = SHELLS.find((one) => one === words[0]);
  if (shell === undefined)
    throw new ConfigError([`completion takes one of ${SHELLS.join(', ')}, not ${JSON.stringify(words[0])}.`]);
  return Object.freeze({
    command: 'completion',
    json: false,
    quiet: false,
    logLevel: 'info',
    warnings: [],
    shell,
  });
}
