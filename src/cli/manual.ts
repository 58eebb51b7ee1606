import type { Option } from '../config/option.js';
import type { CommandText, Word } from './descriptor.js';
import { EXIT_CODES } from './exit-codes.js';
import { groupedOptions, secretsOf, variablesOf } from './options.js';

export interface Edition {
  /** The day that the pages are of. */
  readonly date: Date;
}

/**
 * The manual in mdoc(7): `carelink-tokens.1`, and a page for each command, by file name. It is made of the same texts as
 * the help.
 */
export function manualPages(commands: readonly CommandText[], edition: Edition): ReadonlyMap<string, string> {
  return new Map([
    ['carelink-tokens.1', page(PROGRAM, PURPOSE, programBody(commands), edition)],
    ...commands.map((text): [string, string] => [
      `${pageOf(text)}.1`,
      page(pageOf(text), text.summary, commandBody(text), edition),
    ]),
  ]);
}

const PROGRAM = 'carelink-tokens';
const PURPOSE =
  "refresh server, migrations, cleanup and load benchmark for Django and simplejwt's token tables";

const pageOf = ({ name }: CommandText): string => `${PROGRAM}-${name}`;

function page(name: string, purpose: string, body: readonly string[], { date }: Edition): string {
  const day = date.toLocaleDateString('en-US', {
    timeZone: 'UTC',
    year: 'numeric',
    month: 'long',
    day: 'numeric',
  });
  const head = [
    `.Dd ${day}`, `.Dt ${name.toUpperCase()} 1`, '.Os', '.Sh NAME', `.Nm ${name}`, `.Nd ${escaped(purpose)}`,
  ]; // prettier-ignore
  return `${[...head, ...body].join('\n')}\n`;
}

function programBody(commands: readonly CommandText[]): string[] {
  const groups = [...new Set(commands.map(({ group }) => group))];
  return [
    '.Sh SYNOPSIS',
    `.Nm ${PROGRAM}`,
    '.Ar command',
    '.Op Ar options',
    `.Nm ${PROGRAM}`,
    '.Fl -version',
    '.Op Fl -json',
    '.Sh DESCRIPTION',
    `.Nm ${PROGRAM}`,
    ...textLines(
      "takes over the refresh endpoint of a Django site that uses simplejwt, on the site's own token tables. Django keeps running beside it.",
    ),
    '.Sh COMMANDS',
    'Each command has a page of its own.',
    ...groups.flatMap((group) => [
      `.Ss ${group}`,
      ...tagList(
        commands
          .filter((text) => text.group === group)
          .map((text) => [`.It Xr ${pageOf(text)} 1`, textLines(sentence(text.summary))]),
      ),
    ]),
    '.Sh OPTIONS',
    ...tagList([
      [
        '.It Fl -version',
        textLines('Print the version. With --json: also the commit, Node, OpenSSL and the newest migration.'),
      ],
      ['.It Fl h , -help', textLines('Print the help, of a command if it stands behind one.')],
    ]),
    ...environment([]),
    ...exitStatus(),
    '.Sh SEE ALSO',
    ...commands
      .map(pageOf)
      .sort()
      .map((name, at, { length }) => `.Xr ${name} 1${at === length - 1 ? '' : ' ,'}`),
  ];
}

function commandBody(text: CommandText): string[] {
  const { name, words = [], examples, table } = text;
  const groups = [...groupedOptions(text)];
  const hasOptions = groups.length > 0;
  return [
    '.Sh SYNOPSIS',
    `.Nm ${PROGRAM}`,
    `.Cm ${name}`,
    ...(hasOptions ? ['.Op Ar options'] : []),
    ...words.map(synopsisOf),
    '.Sh DESCRIPTION',
    ...textLines(sentence(text.summary)),
    ...(words.length === 0
      ? []
      : tagList(words.map((word) => [`.It Ar ${bare(word)}`, textLines(sentence(word.help))]))),
    ...(hasOptions ? ['.Sh OPTIONS'] : []),
    ...groups.flatMap(([group, flags]) => [
      `.Ss ${group}`,
      ...tagList(flags.map(([flag, option]) => [optionTag(flag, option), optionLines(flag, option)])),
    ]),
    ...(hasOptions ? environment(secretsOf(table)) : []),
    ...exitStatus(),
    '.Sh EXAMPLES',
    '.Bd -literal',
    ...examples.flatMap(exampleLines).map(escaped),
    '.Ed',
    '.Sh SEE ALSO',
    `.Xr ${PROGRAM} 1`,
  ];
}

function synopsisOf(word: Word): string {
  return word.syntax.startsWith('[') ? `.Op Ar ${bare(word)}` : `.Ar ${bare(word)}`;
}

/** `[names...]` as mdoc writes it. */
const bare = ({ syntax }: Word): string => syntax.replace(/[[\]<>]/g, '').replace('...', ' ...');

function optionTag(flag: string, { form, placeholder }: Option<unknown>): string {
  if (form === 'toggle') return `.It Fl -${flag}`;
  return `.It Fl -${flag} Ar ${escaped(placeholder)}${form === 'list' ? ' ...' : ''}`;
}

function optionLines(flag: string, option: Option<unknown>): string[] {
  const variables = variablesOf(flag, option);
  return [
    ...textLines(sentence(option.help)),
    ...(option.defaultText === undefined ? [] : textLines(`Default: ${sentence(option.defaultText, false)}`)),
    ...(variables.length === 0
      ? ['It has to be typed.']
      : [`Environment: ${variables.map(escaped).join(', ')}.`]),
  ];
}

function environment(secrets: readonly (readonly [variable: string, help: string])[]): string[] {
  return [
    '.Sh ENVIRONMENT',
    ...textLines(
      'Each option is also read from the variable that is named with it. A flag beats the environment, and the environment beats the file of --env-file. Lists in a variable are separated by commas.',
    ),
    ...(secrets.length === 0
      ? []
      : [
          '.Pp',
          'These hold secrets, and have no flag:',
          ...tagList(secrets.map(([variable, help]) => [`.It Ev ${variable}`, textLines(sentence(help))])),
        ]),
  ];
}

function exitStatus(): string[] {
  return [
    '.Sh EXIT STATUS',
    ...tagList(
      Object.entries(EXIT_CODES).map(([code, meaning]) => [
        `.It ${code}`,
        textLines(sentence(meaning, false)),
      ]),
    ),
  ];
}

function tagList(entries: readonly (readonly [tag: string, lines: readonly string[]])[]): string[] {
  return ['.Bl -tag -width Ds', ...entries.flatMap(([tag, lines]) => [tag, ...lines]), '.El'];
}

function sentence(text: string, capital = true): string {
  const begun = capital && /^[a-z]+ [a-z]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?)]$/.test(begun) ? begun : `${begun}.`;
}

const WIDTH = 76;

/** Text for mdoc: short lines, and each sentence begins one, as mandoc wants it. */
function textLines(text: string): string[] {
  return text.split(/(?<=[.!?)]) +(?=[A-Z])/).flatMap((part) => wrapped(part, WIDTH).map(escaped));
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length >= width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

/** A long example goes on in the next line, as a shell takes it. What is said of it stands above. */
function exampleLines(example: string): string[] {
  const [, command = example, comment] = /^(.*?) +# (.*)$/.exec(example) ?? [];
  const [first = '', ...rest] = wrapped(command, WIDTH - 4);
  const lines = [first, ...rest.map((line) => `    ${line}`)];
  return [
    ...(comment === undefined ? [] : [`# ${comment}`]),
    ...lines.map((line, at) => (at === lines.length - 1 ? line : `${line} \\`)),
  ];
}

/** What roff would take for its own. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
}
