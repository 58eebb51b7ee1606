import type { Suggestions, ValueKind } from './kinds.js';

/**
 * One option of a command: all that commander, the help, the environment and the parsing need to know of it.
 *
 * A table maps flags (without their dashes) to options. The environment variable follows from the flag.
 */
export interface Option<T> {
  /**
   * `value` takes one, `list` any number, `toggle` none. `secret` has no flag at all: a command line can be read
   * by every user of the machine, and stays in the shell's history.
   */
  readonly form: 'value' | 'list' | 'toggle' | 'secret';
  readonly placeholder: string;
  readonly help: string;
  /** The heading that the help and the manual show it under. */
  readonly group: string;
  /** What a shell may complete its value with. */
  readonly suggests: Suggestions;
  /** As a person would write it, for the help. */
  readonly defaultText: string | undefined;
  /** Customary variables that are looked at after the option's own: DATABASE_URL, PORT. */
  readonly customary: readonly string[];
  /** Only what is typed counts: what removes things must not lie about in an environment. */
  readonly typed: boolean;
  /** The value may hold a secret: no message repeats it. */
  readonly sensitive: boolean;
  /** The value where neither flag nor environment gives one. */
  readonly absent: T;
  /** Cuts the value of a variable into texts; a flag brings its texts apart. */
  split(variable: string): string[];
  parse(texts: readonly string[]): Parsed<T>;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      /** The text that was refused. */
      readonly text: string;
      readonly allowed: string;
      readonly explanation: string | undefined;
    };

export type Table = Readonly<Record<string, Option<unknown>>>;

export type ValuesOf<T extends Table> = {
  readonly [Flag in keyof T]: T[Flag] extends Option<infer Value> ? Value : never;
};

/** Puts options under a heading of the help and the manual. */
export function inGroup<T extends Table>(group: string, options: T): T {
  return Object.fromEntries(
    Object.entries(options).map(([flag, option]) => [flag, { ...option, group }]),
  ) as unknown as T;
}

interface Describing {
  readonly help: string;
  readonly customary?: readonly string[];
  readonly sensitive?: boolean;
  readonly typed?: boolean;
}

/** An option with a value that it always has: the default is written as a person would write it. */
export function valued<T>(kind: ValueKind<T>, more: Describing & { readonly default: string }): Option<T> {
  const absent = kind.parse(more.default);
  if (absent === undefined) throw new TypeError(`${more.default} is not ${kind.allowed}`);
  return { ...base(kind, more, 'value'), defaultText: more.default, absent };
}

/** An option that may be absent; `absentText` tells what that means. */
export function optional<T>(
  kind: ValueKind<T>,
  more: Describing & { readonly absentText?: string },
): Option<T | undefined> {
  return { ...base<T, T | undefined>(kind, more, 'value'), defaultText: more.absentText, absent: undefined };
}

/** An option that may be given several times; in the environment the values are separated by commas. */
export function list<T>(kind: ValueKind<T>, more: Describing): Option<readonly T[]> {
  return { ...many(kind, more, 'list'), split: (variable) => parts(variable, /\s*,\s*/) };
}

/** An option that is there or not. */
export function toggle(more: Describing): Option<boolean> {
  const kind: ValueKind<boolean> = {
    placeholder: '',
    allowed: 'true or false',
    parse: switchOf,
  };
  return { ...base(kind, more, 'toggle'), defaultText: undefined, absent: false };
}

/** What the text of a toggle's variable means; undefined: nothing that is allowed. */
export function switchOf(text: string): boolean | undefined {
  return SWITCH[text.toLowerCase()];
}

const SWITCH: Readonly<Record<string, boolean>> = {
  true: true, yes: true, on: true, '1': true,
  false: false, no: false, off: false, '0': false,
}; // prettier-ignore

/** A secret: from the environment only. */
export function secret<T>(kind: ValueKind<T>, more: Describing): Option<T | undefined> {
  const described = { ...more, sensitive: true };
  return { ...base<T, T | undefined>(kind, described, 'secret'), defaultText: undefined, absent: undefined };
}

/** Several secrets, separated by commas or white space. */
export function secrets<T>(kind: ValueKind<T>, more: Describing): Option<readonly T[]> {
  const described = { ...more, sensitive: true };
  return { ...many(kind, described, 'secret'), split: (variable) => parts(variable, /[\s,]+/) };
}

/** The variable that an option is read from: `reuse-grace` from CARELINK_REUSE_GRACE. */
export function variableOf(flag: string): string {
  return `CARELINK_${flag.toUpperCase().replaceAll('-', '_')}`;
}

function base<T, Value extends T | undefined = T>(
  kind: ValueKind<T>,
  more: Describing,
  form: Option<unknown>['form'],
): Omit<Option<Value>, 'absent' | 'defaultText'> {
  return {
    ...described(kind, more, form),
    split: (variable) => [variable],
    parse(texts) {
      const text = texts.at(-1) ?? '';
      const value = kind.parse(text);
      return value === undefined ? refused(kind, text) : { ok: true, value: value as Value };
    },
  };
}

function many<T>(
  kind: ValueKind<T>,
  more: Describing,
  form: Option<unknown>['form'],
): Omit<Option<readonly T[]>, 'split'> {
  return {
    ...described(kind, more, form),
    defaultText: undefined,
    absent: [],
    parse(texts) {
      const values: T[] = [];
      for (const text of texts) {
        const value = kind.parse(text);
        if (value === undefined) return refused(kind, text);
        values.push(value);
      }
      return { ok: true, value: values };
    },
  };
}

function described(kind: ValueKind<unknown>, more: Describing, form: Option<unknown>['form']) {
  const { help, customary = [], sensitive = false, typed = false } = more;
  const { placeholder, suggests = [] } = kind;
  return { form, placeholder, help, group: 'Options', suggests, customary, sensitive, typed };
}

function refused<T>(kind: ValueKind<unknown>, text: string): Parsed<T> {
  return { ok: false, text, allowed: kind.allowed, explanation: kind.explain?.(text) };
}

function parts(text: string, separator: RegExp): string[] {
  return text.split(separator).filter((part) => part.trim() !== '');
}
