import { LosslessNumber, parse, stringify } from 'lossless-json';
import type { Claims } from './codec.js';

export { isLosslessNumber } from 'lossless-json';

/**
 * JSON of a JWT's payload, without loss: a claim that goes through here is written back as it came.
 *
 * JavaScript would make 9007199254740993 of a bigint user id into ...992, which is somebody else; and `1.0` into
 * `1`, which Python calls an int. Such numbers are `LosslessNumber`s; safe integers stay plain numbers.
 *
 * Decided, and the same on both paths:
 * - Of duplicate keys the last wins, in the place of the first: Python and JSON.parse agree on that.
 * - `__proto__` is a key like any other, an own property. Copy claims with spread, never with `Object.assign`
 *   or by assignment, which would set a prototype.
 * - Keys that are array indices ("7") come first, because JavaScript's objects do that.
 */

/**
 * A number token that may not survive JSON.parse: 16 digits, a point or an exponent. A number follows one of
 * these characters in a JSON object. That text in strings may match too costs only time.
 */
const UNSAFE_NUMBER = /[:,[\s]-?(?:\d{16}|\d{1,15}[.eE])/;

/** Python's parser gives up before a depth of 1000, so Django refuses such a token; JSON.stringify overflows at 6000. */
const MAX_DEPTH = 500;

/** The claims in a payload's text, or undefined where it isn't a JSON object. Never throws. */
export function parseClaims(text: string): Claims | undefined {
  try {
    const value: unknown = UNSAFE_NUMBER.test(text)
      ? parse(text, null, { parseNumber, onDuplicateKey: ({ newValue }) => newValue })
      : JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    // A text must have two characters a level, so nearly all are spared the walk.
    if (text.length > 2 * MAX_DEPTH && deeperThan(value, MAX_DEPTH)) return undefined;
    return value as Claims;
  } catch {
    // A SyntaxError, or the RangeError of a text nested so deep that parsing ran out of stack.
    return undefined;
  }
}

/** The text of claims, LosslessNumbers (and bigints) as the numbers they are. */
export function stringifyClaims(claims: Claims): string {
  // for-in and not Object.values: this is the hot path, and claims are plain objects of JSON.
  for (const key in claims) {
    const value = claims[key];
    if ((typeof value === 'object' && value !== null) || typeof value === 'bigint') return losslessly(claims);
  }
  return JSON.stringify(claims);
}

function losslessly(claims: Claims): string {
  const text = stringify(claims);
  if (text === undefined) throw new TypeError('Claims are an object, and every object has a JSON text.');
  return text;
}

function parseNumber(text: string): number | LosslessNumber {
  if (/^-?\d+$/.test(text)) {
    const value = Number(text);
    if (Number.isSafeInteger(value)) return value;
  }
  return new LosslessNumber(text);
}

function deeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null || value instanceof LosslessNumber) return false;
  if (levels === 0) return true;
  return Object.values(value).some((inner) => deeperThan(inner, levels - 1));
}
