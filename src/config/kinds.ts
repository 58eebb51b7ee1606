import { parseDuration, parseFraction } from './durations.js';

/** Words that a value may be, or what kind of path it is. None: nobody can guess. */
export type Suggestions = readonly string[] | 'file' | 'directory';

/** What a value may be: how its text is read, and how that is told to a person. */
export interface ValueKind<T> {
  /** Stands for the value in the help: `--port <port>`. */
  readonly placeholder: string;
  /** Fits behind "takes": `a port from 0 to 65535`. */
  readonly allowed: string;
  /** For the completion in a shell. */
  readonly suggests?: Suggestions;
  /** Undefined where the text is not allowed. */
  parse(text: string): T | undefined;
  /** A better answer than `allowed` for some texts that are refused: a whole sentence. */
  explain?(text: string): string | undefined;
}

const EXAMPLES = 'such as 250ms, 30s, 15m, 12h or 7d';

/** Milliseconds. */
export function durationMs(range: { min: string; max: string }): ValueKind<number> {
  const [min, max] = [boundOf(range.min), boundOf(range.max)];
  return {
    placeholder: 'duration',
    allowed: `a duration from ${range.min} to ${range.max} (${EXAMPLES})`,
    parse(text) {
      const ms = parseDuration(text);
      return ms !== undefined && ms >= min && ms <= max ? ms : undefined;
    },
  };
}

/** Milliseconds, or `off`. */
export function durationOrOff(range: { min: string; max: string }): ValueKind<number | 'off'> {
  const ms = durationMs(range);
  return {
    placeholder: 'duration|off',
    suggests: ['off'],
    allowed: `${ms.allowed}, or off`,
    parse: (text) => (text === 'off' ? 'off' : ms.parse(text)),
  };
}

/** Whole seconds: what a token's claims count in. */
export function durationSeconds(range: { min: string; max: string }): ValueKind<number> {
  const ms = durationMs(range);
  return {
    placeholder: ms.placeholder,
    allowed: ms.allowed.replace('a duration', 'a duration of whole seconds'),
    parse(text) {
      const parsed = ms.parse(text);
      return parsed === undefined || parsed % 1_000 !== 0 ? undefined : parsed / 1_000;
    },
  };
}

/** Seconds, with a fraction where there is one: what clocks may differ by. */
export function durationFraction(range: { min: string; max: string }): ValueKind<number> {
  const [min, max] = [boundOf(range.min) / 1_000, boundOf(range.max) / 1_000];
  return {
    placeholder: 'duration',
    allowed: `a duration from ${range.min} to ${range.max} (such as 0s, 250ms, 1.5s or 2m)`,
    parse(text) {
      const seconds = parseFraction(text);
      return seconds !== undefined && seconds >= min && seconds <= max ? seconds : undefined;
    },
  };
}

/** The name of a claim that SQL looks for in stored tokens: characters that JSON and a pattern leave alone. */
export const plainClaim: ValueKind<string> = {
  placeholder: 'claim',
  allowed: 'the name of a claim (letters, digits and _ - . : /)',
  parse: (text) => (/^[\w.:/-]{1,64}$/.test(text) ? text : undefined),
};

function boundOf(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new TypeError(`${text} is no duration`);
  return ms;
}

export function integer(range: { min: number; max: number; what?: string }): ValueKind<number> {
  const { min, max, what } = range;
  return {
    placeholder: what ?? 'number',
    allowed: `a ${what ?? 'whole number'} from ${min} to ${max}`,
    parse(text) {
      const value = /^\d+$/.test(text) ? Number(text) : undefined;
      return value !== undefined && value >= min && value <= max ? value : undefined;
    },
  };
}

export function decimal(range: { min: number; max: number; what: string }): ValueKind<number> {
  const { min, max, what } = range;
  return {
    placeholder: 'number',
    allowed: `a ${what} from ${min} to ${max}`,
    parse(text) {
      const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
      return value !== undefined && value >= min && value <= max ? value : undefined;
    },
  };
}

/** 0 takes a free port. */
export const port = integer({ min: 0, max: 65_535, what: 'port' });

/** @param reserved words that are going to be allowed, and what is said of each until then */
export function oneOf<const Word extends string>(
  words: readonly Word[],
  reserved: Readonly<Record<string, string>> = {},
): ValueKind<Word> {
  return {
    placeholder: words.length > 4 ? 'name' : words.join('|'),
    suggests: words,
    allowed: `one of ${words.join(', ')}`,
    parse: (text) => words.find((word) => word === text),
    explain: (text) => (Object.hasOwn(reserved, text) ? reserved[text] : undefined),
  };
}

/** Any text that isn't blank and has no control characters, white space around it taken off. */
export function text(placeholder: string): ValueKind<string> {
  return {
    placeholder,
    allowed: 'a text that is not blank',
    parse(given) {
      const trimmed = given.trim();
      return trimmed === '' || /\p{Cc}/u.test(trimmed) ? undefined : trimmed;
    },
  };
}

/** A path, exactly as it was written. */
export const path = (placeholder: 'file' | 'directory'): ValueKind<string> => ({
  placeholder,
  suggests: placeholder,
  allowed: `the path of a ${placeholder}`,
  parse: (given) => (given.trim() === '' || given.includes('\0') ? undefined : given),
});

/** A program and its arguments, separated by blanks; in quotes a blank is part of one. Nothing else has a meaning. */
export const commandLine: ValueKind<readonly string[]> = {
  placeholder: 'command',
  allowed: 'a program and its arguments, with quotes around what has blanks in it',
  parse(text) {
    if (/[\0\r\n]/.test(text) || !/^(?:\s|[^\s"']|"[^"]*"|'[^']*')+$/.test(text)) return undefined;
    const words = text.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
    const bare = words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'));
    return bare.length === 0 || bare[0] === '' ? undefined : bare;
  },
};
