import { CommandError } from '../config/errors.js';
import { describeError } from '../observe/errors.js';

/** What a script may rely on. The help prints it. */
export const EXIT_CODES = {
  0: 'done',
  1: 'the thing asked for failed',
  2: 'usage: a bad option, value or configuration',
  3: 'inconclusive',
  4: 'a service could not be reached, or is the wrong thing',
  5: 'another runner holds the lock',
  6: 'a safety check stopped the work; nothing was changed',
  130: 'interrupted; what was finished is kept and reported',
} as const;

export type ExitCode = keyof typeof EXIT_CODES;

/**
 * Codes of the rooms' own errors, which know nothing of commands. Their messages are sentences for people, and hold
 * nothing secret; those of other errors may, and are not printed.
 */
const ROOMS_ERRORS: Readonly<Record<string, ExitCode>> = {
  DATA_DIRECTORY_IN_USE: 5,
  DATA_DIRECTORY_UNUSABLE: 2,
  EMBEDDED_FAILED: 4,
  LOCK_HELD: 5,
  TABLES_MISSING: 4,
  CARELINK_SCHEMA_MISSING: 4,
  COLUMNS_MISSING: 4,
  USER_TABLE_MISSING: 4,
  LOCK_LOST: 1,
  CONTENDED: 1,
  MIGRATION_FILE: 1,
};

export interface Failure {
  readonly exitCode: ExitCode;
  /** For a person: what is wrong, and what to do. One line a problem. */
  readonly message: string;
}

/** What an error means for whoever ran the command. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommandError) return { exitCode: error.exitCode, message: error.message };
  if (error instanceof Error && 'code' in error) {
    const exitCode = ROOMS_ERRORS[String(error.code)];
    if (exitCode !== undefined) return { exitCode, message: error.message };
  }
  const { error_name, error_code, error_cause, error_stack } = describeError(error);
  const what = [error_name, error_code].filter(Boolean).join(' ');
  const cause = error_cause === undefined ? '' : `, caused by ${error_cause}`;
  return {
    exitCode: 1,
    message: [`Something failed that nobody foresaw: ${what}${cause}.`, error_stack]
      .filter(Boolean)
      .join('\n'),
  };
}
