import { isDeepStrictEqual } from 'node:util';
import type { Option } from '../config/option.js';
import { SERVE_OPTIONS } from '../config/serve-options.js';

export type ServeFlag = keyof typeof SERVE_OPTIONS;

/**
 * `same`: it is so without a word. `set`: an option makes it so. `differs`: it is otherwise, and no token is accepted that
 * Django would refuse. `cannot`: something of the site is lost.
 */
export type Verdict = 'same' | 'set' | 'differs' | 'cannot';

/** What becomes of one setting of a Django project. */
export interface Row {
  /** As it is called in Django, or what it is. */
  readonly setting: string;
  /** Django's value, as a person writes it. */
  readonly django: string;
  readonly verdict: Verdict;
  /** What it means for the site, and for a `cannot` what to do. */
  readonly means: string;
  /** The texts of options that keep it. */
  readonly options: Readonly<Partial<Record<ServeFlag, string>>>;
}

export const same = (setting: string, django: unknown, means: string): Row => ({
  ...{ setting, django: spoken(django), means },
  verdict: 'same',
  options: {},
});

export const differs = (setting: string, django: unknown, means: string): Row => ({
  ...same(setting, django, means),
  verdict: 'differs',
});

export const cannot = (setting: string, django: unknown, means: string): Row => ({
  ...same(setting, django, means),
  verdict: 'cannot',
});

/** Kept by options: `same` where all of them say what holds without them, `cannot` where one doesn't take its text. */
export function kept(
  setting: string,
  django: unknown,
  wanted: Readonly<Partial<Record<ServeFlag, string>>>,
  means: string,
): Row {
  const options: Partial<Record<ServeFlag, string>> = {};
  for (const [flag, text] of Object.entries(wanted) as [ServeFlag, string][]) {
    const parsed = parsedOption(flag, text);
    if (!parsed.ok) return cannot(setting, django, `--${flag} takes ${parsed.allowed}.`);
    if (!isDeepStrictEqual(parsed.value, SERVE_OPTIONS[flag].absent)) options[flag] = text;
  }
  const row = { ...same(setting, django, means), options };
  return Object.keys(options).length === 0 ? row : { ...row, verdict: 'set' };
}

/** What a text of the env file is to `serve`. */
export function parsedOption(flag: ServeFlag, text: string): ReturnType<Option<unknown>['parse']> {
  const option: Option<unknown> = SERVE_OPTIONS[flag];
  return option.parse(option.split(text));
}

/** A value of the facts as a person writes it; never more than a line. */
export function spoken(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.map(spoken).join(', ');
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return value;
  const seconds = secondsOf(value);
  if (seconds !== undefined) return durationText(seconds) ?? `${seconds} s`;
  const { hidden, type } = value as { hidden?: unknown; type?: unknown };
  if (typeof hidden === 'string') return `(not told: ${hidden})`;
  return typeof type === 'string' ? `(${type})` : '(something else)';
}

/** Of a timedelta, as the probe tells it. */
export function secondsOf(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { seconds } = value as { seconds?: unknown };
  return typeof seconds === 'number' ? seconds : undefined;
}

/** `14d`, `90s`, `1.5s`; undefined for what no option takes. */
export function durationText(seconds: number): string | undefined {
  if (!Number.isFinite(seconds) || seconds < 0) return undefined;
  if (!Number.isInteger(seconds)) return `${seconds}s`;
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
  ] as const) {
    if (seconds >= size && seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return `${seconds}s`;
}
