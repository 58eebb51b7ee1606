/** A word of `options`: blanks part words, and a backslash takes the next character as it is. */
const WORD = /(?:\\[^]|[^\s\\])+/g;

const SEARCH_PATH = /^(?:-c\s*|--)search[_-]path=([^]*)$/i;

/**
 * Takes the search path out of libpq's `options` (`-c search_path=a,b`, `--search_path=a,b`); of several the last one counts.
 * All else stays as it is written.
 */
export function splitSearchPath(options: string | undefined): {
  readonly options: string | undefined;
  readonly searchPath: string | undefined;
} {
  const words = options?.match(WORD) ?? [];
  const kept: string[] = [];
  let searchPath: string | undefined;
  for (let at = 0; at < words.length; at++) {
    // `-c` may stand by itself.
    const word = words[at] === '-c' && at + 1 < words.length ? `-c ${words[++at]}` : (words[at] ?? '');
    const found = SEARCH_PATH.exec(word)?.[1];
    if (found === undefined) kept.push(word);
    else searchPath = found.replace(/\\([^])/g, '$1');
  }
  return searchPath === undefined
    ? { options, searchPath }
    : { options: kept.length === 0 ? undefined : kept.join(' '), searchPath };
}
