/** A JWT, or what is left of one. */
const TOKEN = /ey[JA][\w-]{5,}(?:\.[\w-]*){0,2}/g;
/** An address names a person. */
const MAIL = /[^\s"'<>@]+@[^\s"'<>@]+/g;
/** A key, a hash, an id: no word of any language. */
const LONG = /[\w+/=-]{24,}/g;
const NUMBER = /\d{5,}/g;
const MOST = 120;

/** A text that a report may hold, in one line. */
export function redacted(text: string): string {
  const plain = text
    .replace(TOKEN, '[token]')
    .replace(MAIL, '[address]')
    .replace(LONG, '[...]')
    .replace(NUMBER, '[number]')
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim();
  return plain.length > MOST ? `${plain.slice(0, MOST)}...` : plain;
}

/** The members whose texts are the server's own words, and no user's data. */
const WORDS: ReadonlySet<string> = new Set(['detail', 'code', 'non_field_errors', 'refresh', 'token']);

/** A body by its members: the texts of errors, and of all else only what kind of value it is. */
export function shapeOf(json: unknown): string {
  if (typeof json !== 'object' || json === null) return kindOf(json);
  if (Array.isArray(json)) return 'a list';
  const members = Object.entries(json).slice(0, 12);
  return `{${members.map(([name, value]) => `${redacted(name)}: ${valueOf(name, value)}`).join(', ')}}`;
}

function valueOf(name: string, value: unknown): string {
  const texts = Array.isArray(value) ? value : [value];
  if (
    WORDS.has(name) &&
    texts.length < 4 &&
    texts.every((text) => typeof text === 'string' && !isToken(text))
  )
    return `"${redacted(texts.join(' '))}"`;
  return kindOf(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return isToken(value) ? '[token]' : 'a text';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

export function isToken(value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(value);
}

/** A time in the largest unit that says it exactly, as options take it. */
export function duration(seconds: number): string {
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
  ] as const)
    // prettier-ignore
    if (seconds >= size && seconds % size === 0) return `${seconds / size}${unit}`;
  return `${seconds}s`;
}
