import type { Shell } from '../../config/vocabulary.js';
import type { CommandText } from '../descriptor.js';
import { bashScript } from './bash.js';
import { fishScript } from './fish.js';
import { completedCommands, type CompletedCommand } from './model.js';
import { zshScript } from './zsh.js';

const SCRIPTS: Readonly<Record<Shell, (commands: readonly CompletedCommand[]) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/**
 * A script that a shell reads once. It holds all names and starts nothing: a key stroke that started Node would be
 * felt each time.
 */
export function completionScript(shell: Shell, commands: readonly CommandText[]): string {
  return SCRIPTS[shell](completedCommands(commands)).trimEnd();
}
