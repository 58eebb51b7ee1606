import { Help, Option as CommanderOption, type Command } from 'commander';
import type { CommandText } from './descriptor.js';
import { EXIT_CODES } from './exit-codes.js';
import { secretsOf } from './options.js';

/** The width where there is no terminal. */
const PIPE_WIDTH = 100;

/** Longer lines are hard to read, however wide a terminal is. */
const WIDEST = 120;

/** Options and commands that are longer than this stand on a line of their own, with their text below. */
const TERM_WIDTH = 26;

/** Below this width the text of every option stands below it. */
const NARROW = 72;
const NARROW_INDENT = 6;

/** How wide help may be on one of the two streams. Some terminals say 0, or nothing, of their width. */
export function helpWidth({ isTTY, columns }: NodeJS.WriteStream): number {
  return isTTY && columns > 0 ? Math.min(columns, WIDEST) : PIPE_WIDTH;
}

/** What commander does by itself leaves texts unwrapped, once long names leave less than 40 columns for them. */
export const HELP_LAYOUT: Partial<Help> = {
  minWidthToWrap: 16,
  padWidth: () => TERM_WIDTH,
  formatItem(term, termWidth, description, helper) {
    const width = helper.helpWidth ?? PIPE_WIDTH;
    const indent = width < NARROW ? NARROW_INDENT : 2 + termWidth + 2;
    const first = `  ${term}`;
    if (description === '') return first;
    const lines = helper.boxWrap(description, width - indent).split('\n');
    const beside = width >= NARROW && helper.displayWidth(term) <= termWidth;
    const padding = ' '.repeat(Math.max(0, indent - helper.displayWidth(first)));
    const rest = lines.map((line) => `${' '.repeat(indent)}${line}`);
    return beside
      ? [`${first}${padding}${lines[0] ?? ''}`, ...rest.slice(1)].join('\n')
      : [first, ...rest].join('\n');
  },
};

/** `-h`, under the heading that the options about output have. */
export const helpOption = (group: string): CommanderOption =>
  new CommanderOption('-h, --help', 'print this help').helpGroup(group);

/** What stands below the options of a command. */
export function commandFooter(command: Command, text: CommandText, error: boolean): string {
  const write = writer(command, error);
  const { examples, table } = text;
  const hasOptions = Object.keys(table).length > 0;
  return sections([
    write.items('Secrets, from the environment only:', secretsOf(table)),
    hasOptions ? write.text(SOURCES) : '',
    ['Examples:', ...examples.map((example) => `  ${example}`)].join('\n'),
    write.items('Exit codes:', Object.entries(EXIT_CODES)),
  ]);
}

/** What stands below the list of commands. */
export function programFooter(program: Command, error: boolean): string {
  const write = writer(program, error);
  return sections([
    write.items('Exit codes:', Object.entries(EXIT_CODES)),
    write.text('`carelink-tokens COMMAND --help` tells the options of a command.'),
  ]);
}

const SOURCES = `Each option is also read from the environment variable in brackets. A flag beats the environment, and the environment beats --env-file.
Lists in a variable are separated by commas. Durations: 250ms 30s 15m 12h 7d 6y (a year is 366 days).`;

function sections(parts: readonly string[]): string {
  return `\n${parts.filter((part) => part !== '').join('\n\n')}`;
}

interface Writer {
  text(text: string): string;
  /** Short terms, each with its text beside it. */
  items(heading: string, entries: readonly (readonly [term: string, text: string])[]): string;
}

function writer(command: Command, error: boolean): Writer {
  const output = command.configureOutput();
  const width = error ? output.getErrHelpWidth?.() : output.getOutHelpWidth?.();
  const helper = command.createHelp();
  helper.prepareContext({ error, ...(width === undefined ? {} : { helpWidth: width }) });
  return {
    text: (text) => helper.boxWrap(text, helper.helpWidth ?? PIPE_WIDTH),
    items(heading, entries) {
      if (entries.length === 0) return '';
      const longest = Math.max(...entries.map(([term]) => term.length));
      return [heading, ...entries.map(([term, text]) => helper.formatItem(term, longest, text, helper))].join(
        '\n',
      );
    },
  };
}
