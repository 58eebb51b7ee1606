const HIDDEN = '[hidden]';

/** Words of URLs and paths that are nobody's secret. Without them no finding could be read. */
const COMMON = new Set([
  'postgres', 'postgresql', 'redis', 'rediss', 'https', 'http', 'unix', 'localhost', 'socket', 'sslmode', 'require',
  'disable', 'prefer', 'allow', 'verify', 'full', 'public', 'options', 'search_path', 'etc', 'var', 'run', 'tmp', 'usr',
  'true', 'false', 'none', 'the', 'and', 'for', 'key', 'keys', 'signing', 'file', 'env', 'carelink', 'tokens',
]); // prettier-ignore

/** What stands between the parts of a URL or a path: in a part, the same character is written as %40 and the like. */
const URL_MARKS = /[:/@?&=,;\s]+/;
const NO_WORD = /[^\p{L}\p{N}_.-]+/u;

/** Shorter ones are in every sentence. */
const SHORTEST = 3;

/**
 * Takes out of all texts of a value what stands in those that are hidden: each as a whole, and each word of it (a host, a user,
 * the name of a database, a folder). Rather a word too many than one too few.
 */
export function redact<T>(value: T, hidden: readonly string[]): T {
  const words = hidden
    .flatMap((text) => [text, ...text.split(URL_MARKS), ...decoded(text).split(NO_WORD)])
    .flatMap((part) => [part, decoded(part)])
    .filter((word) => word.length >= SHORTEST && !COMMON.has(word.toLowerCase()));
  // The longest first: of a host in a URL the URL goes.
  const sorted = [...new Set(words)].sort((a, b) => b.length - a.length);
  if (sorted.length === 0) return value;
  const pattern = new RegExp(
    `(?<![\\p{L}\\p{N}_])(?:${sorted.map(escaped).join('|')})(?![\\p{L}\\p{N}_])`,
    'gu',
  );
  return inTexts(value, (text) => text.replace(pattern, HIDDEN)) as T;
}

function inTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((one) => inTexts(one, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, inTexts(inner, change)]));
}

const escaped = (word: string): string => word.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
