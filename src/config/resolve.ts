import { variableOf, type Option, type Table, type ValuesOf } from './option.js';

/** What commander found: texts as they were typed, by flag; a toggle is true or false. A program may give numbers, too. */
export type Flags = Readonly<Record<string, string | number | readonly string[] | boolean | undefined>>;

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Resolved<T extends Table> {
  readonly values: ValuesOf<T>;
  /** Where each value came from, as a message names it (`--port`, `PORT`); undefined: it is the default. */
  readonly given: { readonly [Flag in keyof T]: string | undefined };
  readonly problems: readonly string[];
}

/**
 * Finds the value of every option: the flag, else (unless it must be typed) its variable, else a customary one, else the default. A variable
 * that is set to nothing counts as not set, since that is how compose files leave one out.
 */
export function resolve<T extends Table>(table: T, flags: Flags, env: Environment): Resolved<T> {
  const values: Record<string, unknown> = {};
  const given: Record<string, string | undefined> = {};
  const problems = unfitFlags(table, flags);
  // Of what is unfit everything is told, and nothing is parsed.
  const fit = problems.length === 0 ? flags : {};
  for (const [flag, option] of Object.entries(table)) {
    values[flag] = option.absent;
    if (option.form === 'secret' && fit[flag] !== undefined) problems.push(notOnCommandLine(flag));
    const found = find(flag, option, fit, env);
    given[flag] = found?.name;
    if (found === undefined) continue;
    const parsed = option.parse(found.texts);
    if (parsed.ok) values[flag] = parsed.value;
    else problems.push(problem(found.name, option, parsed));
  }
  return { values: values as ValuesOf<T>, given: given as Resolved<T>['given'], problems };
}

/** A program in JavaScript, or one that reads its options from a file, can give anything under any name. */
function unfitFlags(table: Table, flags: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(flags).flatMap(([flag, value]) => {
    if (value === undefined) return [];
    if (!Object.hasOwn(table, flag)) {
      const dashed = flag.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
      const meant = Object.hasOwn(table, dashed) ? ` Did you mean ${dashed}?` : '';
      return [`There is no option ${JSON.stringify(flag)}.${meant}`];
    }
    const fits =
      ['string', 'number', 'boolean'].includes(typeof value) ||
      (Array.isArray(value) && value.length > 0 && value.every((text) => typeof text === 'string'));
    // The value is not told: it may be a secret.
    return fits
      ? []
      : [`--${flag} takes a text, a number, true, false or a list of texts, not ${kindOf(value)}.`];
  });
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list of other things';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

interface Found {
  readonly name: string;
  readonly texts: readonly string[];
}

/** What was given for an option, and by which name; undefined: nothing was. */
export function find(
  flag: string,
  option: Option<unknown>,
  flags: Flags,
  env: Environment,
): Found | undefined {
  const typed = option.form === 'secret' ? undefined : flags[flag];
  if (typed !== undefined) {
    const texts = typeof typed === 'object' ? typed : [String(typed)];
    return { name: `--${flag}`, texts };
  }
  if (option.typed) return undefined;
  for (const name of [variableOf(flag), ...option.customary]) {
    const variable = env[name];
    if (variable !== undefined && variable.trim() !== '') return { name, texts: option.split(variable) };
  }
  return undefined;
}

function problem(
  name: string,
  option: Option<unknown>,
  refused: { readonly text: string; readonly allowed: string; readonly explanation: string | undefined },
): string {
  if (refused.explanation !== undefined) return `${name}: ${refused.explanation}.`;
  // What was given may be a password, or a key with one character missing.
  const not = option.sensitive ? 'and what is given is none' : `not ${JSON.stringify(refused.text)}`;
  return `${name} takes ${refused.allowed}, ${not}.`;
}

function notOnCommandLine(flag: string): string {
  return `--${flag} is no option, for every user of this machine can read a command line: set ${variableOf(flag)} in the environment.`;
}
