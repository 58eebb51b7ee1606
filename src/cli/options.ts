import { Option as CommanderOption, type Command } from 'commander';
import { variableOf, type Option, type Table } from '../config/option.js';
import type { Flags } from '../config/resolve.js';

/** Makes commander's options out of a command's table. Values stay texts: config parses them. */
export function addOptions(command: Command, table: Table): void {
  for (const [flag, option] of Object.entries(table)) {
    switch (option.form) {
      case 'value':
        add(command, `--${flag} <${option.placeholder}>`, describe(flag, option));
        break;
      case 'list':
        add(command, `--${flag} <${option.placeholder}...>`, describe(flag, option));
        break;
      case 'toggle':
        add(command, `--${flag}`, describe(flag, option));
        // The way back from a variable: a flag beats the environment.
        command.addOption(new CommanderOption(`--no-${flag}`).hideHelp());
        break;
      case 'secret':
        // Known only to be refused with a reason.
        command.addOption(new CommanderOption(`--${flag} [text]`).hideHelp());
    }
  }
}

/** What was typed, by flag. */
export function flagsOf(command: Command, table: Table): Flags {
  return Object.fromEntries(
    Object.keys(table).map((flag) => [
      flag,
      command.getOptionValue(new CommanderOption(`--${flag}`).attributeName()) as Flags[string],
    ]),
  );
}

/** The part of the help about secrets, which are no options. */
export function secretsHelp(table: Table): string {
  const lines = Object.entries(table)
    .filter(([, option]) => option.form === 'secret')
    .map(([flag, option]) => `  ${variableOf(flag).padEnd(22)}  ${option.help}`);
  return lines.length === 0 ? '' : `\nSecrets, from the environment only:\n${lines.join('\n')}\n`;
}

function add(command: Command, flags: string, description: string): void {
  command.addOption(new CommanderOption(flags, description));
}

function describe(flag: string, option: Option<unknown>): string {
  const parts = [option.help];
  if (option.defaultText !== undefined) parts.push(`(default: ${option.defaultText})`);
  if (!option.typed) parts.push(`[${[variableOf(flag), ...option.customary].join(', ')}]`);
  return parts.join(' ');
}
