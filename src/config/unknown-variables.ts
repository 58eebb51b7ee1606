import { ALL_OPTIONS } from './all-options.js';
import { variableOf } from './option.js';
import type { Source } from './source.js';

const KNOWN = new Set(ALL_OPTIONS.filter(([, { typed }]) => !typed).map(([flag]) => variableOf(flag)));
const TYPED = new Map(ALL_OPTIONS.filter(([, { typed }]) => typed).map(([flag]) => [variableOf(flag), flag]));

/**
 * A misspelt flag is an error; a misspelt variable would only never work. It is no error, for one environment may
 * serve several versions. The value is not told: it may be a secret.
 */
export function unknownVariables({ env, file }: Pick<Source, 'env' | 'file'>): string[] {
  const unknown = Object.keys(env)
    .filter((name) => name.startsWith('CARELINK_') && !KNOWN.has(name))
    .sort()
    .map((name) => {
      const flag = TYPED.get(name);
      const line = file?.lineOf.get(name);
      const variable =
        line === undefined
          ? `The environment variable ${name}`
          : `${file?.path ?? ''}: line ${line}: ${name}`;
      return flag === undefined
        ? `${variable} is set, but this version has no option of that name.${suggestion(name)}`
        : `${variable} is set, and is not read: --${flag} has to be typed.`;
    });
  if (file?.readByAll !== true) return unknown;
  return [
    ...unknown,
    `${file.path} holds a secret, and every user of this machine can read it. Run \`chmod o-rwx\` on it.`,
  ];
}

/** As commander does with flags. */
function suggestion(name: string): string {
  const [near] = [...KNOWN]
    .map((known) => ({ known, distance: distance(name, known) }))
    .filter(({ known, distance: edits }) => edits <= NEAR || known.startsWith(`${name}_`))
    .sort((a, b) => a.distance - b.distance);
  return near === undefined ? '' : ` Did you mean ${near.known}?`;
}

/** Edits between two names that are still a slip of the finger. */
const NEAR = 3;

/** Levenshtein's: insertions, deletions and replacements that make one of the other. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, letter] of Array.from(a).entries()) {
    const next = [i + 1];
    for (const [j, other] of Array.from(b).entries()) {
      next.push(
        Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)),
      );
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
