import { Option as CommanderOption, type Command } from 'commander';
import { variableOf, type Option, type Table } from '../config/option.js';
import type { Flags } from '../config/resolve.js';
import type { CommandText } from './descriptor.js';

/** The heading of the options that most people need. */
const MOST_USED = 'Most used';

/** The visible options of a command under their headings, in the order in which help and manual show them. */
export function groupedOptions({
  table,
  first,
}: Pick<CommandText, 'table' | 'first'>): ReadonlyMap<string, readonly Flag[]> {
  const groups = new Map<string, Flag[]>();
  const put = (group: string, flag: string, option: Option<unknown>): void =>
    void groups.set(group, [...(groups.get(group) ?? []), [flag, option]]);
  for (const flag of first) {
    const option = table[flag];
    if (option === undefined) throw new TypeError(`there is no option ${flag}`);
    put(MOST_USED, flag, option);
  }
  for (const [flag, option] of Object.entries(table))
    if (option.form !== 'secret' && !first.includes(flag)) put(option.group, flag, option);
  return groups;
}

export type Flag = readonly [flag: string, option: Option<unknown>];

/** Makes commander's options out of a command's table. Values stay texts: config parses them. */
export function addOptions(command: Command, text: CommandText): void {
  for (const [group, flags] of groupedOptions(text))
    for (const [flag, option] of flags) {
      const shown = new CommanderOption(flagSyntax(flag, option), describe(flag, option));
      command.addOption(shown.helpGroup(`${group}:`));
    }
  for (const [flag, { form }] of Object.entries(text.table)) {
    // The way back from a variable: a flag beats the environment.
    if (form === 'toggle') command.addOption(new CommanderOption(`--no-${flag}`).hideHelp());
    // Known only to be refused with a reason.
    if (form === 'secret') command.addOption(new CommanderOption(`--${flag} [text]`).hideHelp());
  }
}

/** As help and manual write it: `--port <port>`. */
function flagSyntax(flag: string, { form, placeholder }: Option<unknown>): string {
  if (form === 'toggle') return `--${flag}`;
  return form === 'list' ? `--${flag} <${placeholder}...>` : `--${flag} <${placeholder}>`;
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

/** Variables that hold secrets, which are no options, and what each is. */
export function secretsOf(table: Table): readonly (readonly [variable: string, help: string])[] {
  return Object.entries(table)
    .filter(([, { form }]) => form === 'secret')
    .map(([flag, { help }]) => [variableOf(flag), help]);
}

/** The variables that an option is read from, its own first. None: it has to be typed. */
export function variablesOf(flag: string, { typed, customary }: Option<unknown>): readonly string[] {
  return typed ? [] : [variableOf(flag), ...customary];
}

function describe(flag: string, option: Option<unknown>): string {
  const parts = [option.help];
  if (option.defaultText !== undefined) parts.push(`(default: ${option.defaultText})`);
  const variables = variablesOf(flag, option);
  if (variables.length > 0) parts.push(`[${variables.join(', ')}]`);
  return parts.join(' ');
}
