import { fieldError, nonFieldError, type Reply } from './respond.js';

/**
 * The one field of a request as DRF's CharField takes it (rest_framework/fields.py, 3.14): the token's text, or
 * the answer that says what is wrong with it.
 */
export type TokenField = 'refresh' | 'token';

const REQUIRED_SENTENCE: Readonly<Record<TokenField, string>> = {
  refresh: 'Refresh token is required.',
  token: 'Token is required.',
};

/**
 * `source` is the text `data` was parsed from: Python tells 1 from 1.0 by it.
 *
 * @param absent in place of the answer that the field is required
 */
export function tokenOf(
  data: unknown,
  field: TokenField,
  source: string,
  absent?: string | Reply,
): string | Reply {
  if (data === null) return nonFieldError('No data provided');
  if (typeof data !== 'object' || Array.isArray(data)) {
    const found = pythonType(data, source);
    return nonFieldError(`Invalid data. Expected a dictionary, but got ${found}.`);
  }
  const value = (data as Record<string, unknown>)[field];
  return value === undefined && absent !== undefined ? absent : charField(value, field);
}

function charField(value: unknown, field: TokenField): string | Reply {
  if (typeof value === 'string') return textField(value, field);
  if (value === undefined) return required(field, 'This field is required.');
  if (value === null) return required(field, 'This field may not be null.');
  // DRF takes str() of a number. No number's text is a token, however it is written, so it need not be
  // Python's to the digit: it is refused as any other text would be.
  if (typeof value === 'number') return String(value);
  return fieldError(field, ['Not a valid string.'], 'Not a valid string.');
}

const LONE_SURROGATE = /[\ud800-\udfff]/u;

function textField(value: string, field: TokenField): string | Reply {
  const text = pythonStrip(value);
  if (text === '') return required(field, 'This field may not be blank.');
  const nul = text.includes('\0');
  const surrogate = LONE_SURROGATE.exec(text);
  if (!nul && surrogate === null) return text;
  const texts: string[] = [];
  if (nul) texts.push('Null characters are not allowed.');
  if (surrogate !== null) {
    const codePoint = surrogate[0].charCodeAt(0).toString(16).toUpperCase();
    texts.push(`Surrogate characters are not allowed: U+${codePoint}.`);
  }
  return fieldError(field, texts, texts[0] ?? '');
}

function required(field: TokenField, text: string): Reply {
  return fieldError(field, [text], REQUIRED_SENTENCE[field]);
}

// What str.strip() strips. String.trim() is another set: it has U+FEFF, and lacks U+001C to U+001F and U+0085.
const PYTHON_SPACE =
  /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+|[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/g;

function pythonStrip(text: string): string {
  // A token begins and ends with printable ASCII, and needs no look at the rest of its length.
  if (printable(text.charCodeAt(0)) && printable(text.charCodeAt(text.length - 1))) return text;
  return text.replace(PYTHON_SPACE, '');
}

function printable(code: number): boolean {
  return code > 0x20 && code < 0x7f;
}

function pythonType(data: unknown, source: string): string {
  if (Array.isArray(data)) return 'list';
  if (typeof data === 'string') return 'str';
  if (typeof data === 'boolean') return 'bool';
  return /[.eE]/.test(source) ? 'float' : 'int';
}
