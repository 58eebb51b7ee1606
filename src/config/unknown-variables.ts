import { BENCH_OPTIONS } from './bench-options.js';
import { CLEANUP_OPTIONS } from './cleanup-options.js';
import { MIGRATE_OPTIONS } from './migrate-options.js';
import { variableOf, type Table } from './option.js';
import type { Environment } from './resolve.js';
import { REVOKE_OPTIONS } from './revoke-options.js';
import { SERVE_OPTIONS } from './serve-options.js';
import { SESSIONS_OPTIONS } from './sessions-options.js';

const OPTIONS = [
  SERVE_OPTIONS,
  MIGRATE_OPTIONS,
  CLEANUP_OPTIONS,
  BENCH_OPTIONS,
  REVOKE_OPTIONS,
  SESSIONS_OPTIONS,
].flatMap((table) => Object.entries(table as Table));
const KNOWN = new Set(OPTIONS.filter(([, { typed }]) => !typed).map(([flag]) => variableOf(flag)));
const TYPED = new Map(OPTIONS.filter(([, { typed }]) => typed).map(([flag]) => [variableOf(flag), flag]));

/**
 * A misspelt flag is an error; a misspelt variable would only never work. It is no error, for one environment may
 * serve several versions. The value is not told: it may be a secret.
 */
export function unknownVariables(env: Environment): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith('CARELINK_') && !KNOWN.has(name))
    .sort()
    .map((name) => {
      const flag = TYPED.get(name);
      return flag === undefined
        ? `The environment variable ${name} is set, but this version has no option of that name.${suggestion(name)}`
        : `The environment variable ${name} is set, and is not read: --${flag} has to be typed.`;
    });
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
