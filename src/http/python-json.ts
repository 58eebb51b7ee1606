/**
 * Says what is wrong with a text that is not JSON, in the words of Python's json module (CPython 3.11,
 * Modules/_json.c and Lib/json/decoder.py), which DRF hands on to the client. It runs only after JSON.parse
 * failed: V8's own message quotes the input, and with it perhaps a token.
 *
 * No recursion: 64 KiB of `[` would overflow the stack.
 */
export function pythonJsonFault(text: string): string {
  if (text.startsWith('\ufeff')) return fault(text, 'Unexpected UTF-8 BOM (decode using utf-8-sig)', 0);
  try {
    const end = space(text, value(text, space(text, 0)));
    // Unreachable with `end` at the text's end, as then it would have been JSON.
    return fault(text, 'Extra data', end);
  } catch (error) {
    if (error instanceof Fault) return error.at < 0 ? error.text : fault(text, error.text, error.at);
    throw error;
  }
}

class Fault extends Error {
  readonly text: string;
  /** -1: a fault without a place. */
  readonly at: number;

  constructor(text: string, at: number) {
    super(text);
    this.text = text;
    this.at = at;
  }
}

/** Python counts code points, JavaScript UTF-16 units. */
function fault(text: string, what: string, at: number): string {
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = codePoints(before.slice(before.lastIndexOf('\n') + 1)) + 1;
  return `${what}: line ${line} column ${column} (char ${codePoints(before)})`;
}

function codePoints(text: string): number {
  return text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g)?.length ?? 0);
}

function space(text: string, at: number): number {
  let next = at;
  while (' \t\n\r'.includes(text.charAt(next)) && next < text.length) next += 1;
  return next;
}

/** Reads one value with all it contains; returns the place after it. */
function value(text: string, start: number): number {
  const open: ('{' | '[')[] = [];
  let at = start;
  for (;;) {
    const char = text.charAt(at);
    if (char === '{' || char === '[') {
      const first = space(text, at + 1);
      const closes = text.charAt(first) === (char === '{' ? '}' : ']');
      if (!closes) {
        open.push(char);
        at = char === '{' ? key(text, first) : first;
        continue;
      }
      at = first + 1;
    } else {
      at = char === '"' ? string(text, at) : scalar(text, at);
    }
    // After a value: close what ends here, or go on behind a comma.
    for (;;) {
      const inside = open.at(-1);
      if (inside === undefined) return at;
      at = space(text, at);
      if (text.charAt(at) === (inside === '{' ? '}' : ']')) {
        open.pop();
        at += 1;
        continue;
      }
      if (text.charAt(at) !== ',') throw new Fault("Expecting ',' delimiter", at);
      at = space(text, at + 1);
      if (inside === '{') at = key(text, at);
      break;
    }
  }
}

/** A property's name and its colon; returns the place of its value. */
function key(text: string, at: number): number {
  if (text.charAt(at) !== '"') throw new Fault('Expecting property name enclosed in double quotes', at);
  const colon = space(text, string(text, at));
  if (text.charAt(colon) !== ':') throw new Fault("Expecting ':' delimiter", colon);
  return space(text, colon + 1);
}

function string(text: string, begin: number): number {
  let at = begin + 1;
  for (;;) {
    const char = text.charAt(at);
    if (char === '') throw new Fault('Unterminated string starting at', begin);
    if (char === '"') return at + 1;
    if (char <= '\x1f') throw new Fault('Invalid control character at', at);
    at = char === '\\' ? escape(text, at, begin) : at + 1;
  }
}

function escape(text: string, at: number, begin: number): number {
  const letter = text.charAt(at + 1);
  if (letter === '') throw new Fault('Unterminated string starting at', begin);
  if (letter !== 'u') {
    if (!'"\\/bfnrt'.includes(letter)) throw new Fault('Invalid \\escape', at);
    return at + 2;
  }
  const end = at + 6;
  if (end >= text.length || !/^[0-9a-fA-F]{4}$/.test(text.slice(at + 2, end))) {
    // Python's own words, X for X: clients of Django REST framework are told them.
    throw new Fault('Invalid \\uXXXX escape', at + 1);
  }
  return end;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORDS = ['null', 'true', 'false'];
const CONSTANTS = ['NaN', 'Infinity', '-Infinity'];

function scalar(text: string, at: number): number {
  const word = WORDS.find((candidate) => text.startsWith(candidate, at));
  if (word !== undefined) return at + word.length;
  const constant = CONSTANTS.find((candidate) => text.startsWith(candidate, at));
  if (constant !== undefined) {
    // DRF refuses what Python's json takes, and says so without a place.
    throw new Fault(`Out of range float values are not JSON compliant: '${constant}'`, -1);
  }
  NUMBER.lastIndex = at;
  const number = NUMBER.exec(text);
  if (number === null) throw new Fault('Expecting value', at);
  return at + number[0].length;
}
