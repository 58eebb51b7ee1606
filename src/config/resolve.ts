import { variableOf, type Option, type Table, type ValuesOf } from './option.js';

/** What commander found: texts as they were typed, by flag; a toggle is true or false. */
export type Flags = Readonly<Record<string, string | readonly string[] | boolean | undefined>>;

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Resolved<T extends Table> {
  readonly values: ValuesOf<T>;
  /** Where each value came from, as a message names it (`--port`, `PORT`); undefined: it is the default. */
  readonly given: { readonly [Flag in keyof T]: string | undefined };
  readonly problems: readonly string[];
}

/**
 * Finds the value of every option: the flag, else its variable, else a customary one, else the default. A variable
 * that is set to nothing counts as not set, since that is how compose files leave one out.
 */
export function resolve<T extends Table>(table: T, flags: Flags, env: Environment): Resolved<T> {
  const values: Record<string, unknown> = {};
  const given: Record<string, string | undefined> = {};
  const problems: string[] = [];
  for (const [flag, option] of Object.entries(table)) {
    values[flag] = option.absent;
    if (option.form === 'secret' && flags[flag] !== undefined) problems.push(notOnCommandLine(flag));
    const found = find(flag, option, flags, env);
    given[flag] = found?.name;
    if (found === undefined) continue;
    const parsed = option.parse(found.texts);
    if (parsed.ok) values[flag] = parsed.value;
    else problems.push(problem(found.name, option, parsed));
  }
  return { values: values as ValuesOf<T>, given: given as Resolved<T>['given'], problems };
}

interface Found {
  readonly name: string;
  readonly texts: readonly string[];
}

function find(flag: string, option: Option<unknown>, flags: Flags, env: Environment): Found | undefined {
  const typed = option.form === 'secret' ? undefined : flags[flag];
  if (typed !== undefined) {
    const texts = typeof typed === 'string' ? [typed] : typeof typed === 'boolean' ? [String(typed)] : typed;
    return { name: `--${flag}`, texts };
  }
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
