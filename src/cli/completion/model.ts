import type { Suggestions } from '../../config/kinds.js';
import type { CommandText } from '../descriptor.js';
import { groupedOptions } from '../options.js';

/** What a shell is told of the command line. Secrets are not in it: they are no options. */
export interface CompletedCommand {
  readonly name: string;
  readonly brief: string;
  /** What each word without dashes may be, in order. */
  readonly words: readonly (readonly string[])[];
  readonly options: readonly CompletedOption[];
}

export interface CompletedOption {
  readonly flag: string;
  readonly brief: string;
  readonly takesValue: boolean;
  readonly isList: boolean;
  readonly values: Suggestions;
}

/** Options that stand before a command. */
export const PROGRAM_OPTIONS: readonly (readonly [flag: string, brief: string])[] = [
  ['help', 'print the help'],
  ['version', 'print the version'],
  ['json', 'with --version: as JSON, with all versions that matter'],
];

const HELP: CompletedOption = {
  flag: 'help',
  brief: 'print the help of this command',
  takesValue: false,
  isList: false,
  values: [],
};

export function completedCommands(commands: readonly CommandText[]): readonly CompletedCommand[] {
  const known = commands.map((text) => ({
    name: text.name,
    brief: brief(text.summary),
    words: (text.words ?? []).map(({ suggests = [] }) => suggests),
    options: [...groupedOptions(text).values()]
      .flat()
      .map(([flag, { help, form, suggests }]) => ({
        flag,
        brief: brief(help),
        takesValue: form !== 'toggle',
        isList: form === 'list',
        values: suggests,
      }))
      .concat(HELP),
  }));
  const names = known.map(({ name }) => name);
  return [...known, { name: 'help', brief: 'print the help of a command', words: [names], options: [] }];
}

/** A column of completions has no room for more. */
const LONGEST = 70;

/** The first thing that is said. */
function brief(help: string): string {
  const [first = ''] = help.split(/; |\. /);
  if (first.length <= LONGEST) return first;
  return `${first.slice(0, first.lastIndexOf(' ', LONGEST - 3))}...`;
}
