import { CommandError } from '../config/errors.js';
import { describeError } from '../observe/errors.js';
import { EmbeddedError } from '../store/embedded-errors.js';

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

export interface Failure {
  /** What docs/reference/exit-codes.md explains it under. */
  readonly code: string;
  readonly exitCode: ExitCode;
  /** For a person: what is wrong, and what to do. One line a problem. */
  readonly message: string;
}

/** What an error means for whoever ran the command. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommandError) {
    return { code: error.code, exitCode: error.exitCode, message: error.message };
  }
  // Compose has turned what is expected into a CommandError; this one comes later, out of a server that ran.
  if (error instanceof EmbeddedError) {
    return { code: error.code, exitCode: 4, message: error.message };
  }
  // Messages of other errors may hold a secret, and are not printed.
  const { error_name, error_code, error_cause, error_stack } = describeError(error);
  const what = [error_name, error_code].filter(Boolean).join(' ');
  const cause = error_cause === undefined ? '' : `, caused by ${error_cause}`;
  return {
    code: 'UNEXPECTED',
    exitCode: 1,
    message: [`Something failed that nobody foresaw: ${what}${cause}.`, error_stack]
      .filter(Boolean)
      .join('\n'),
  };
}
