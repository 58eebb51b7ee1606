/** The exit codes that an error can carry; cli/exit-codes.ts has the whole table. */
export type FailureExitCode = 1 | 2 | 3 | 4 | 5 | 6 | 130;

/**
 * An error that ends a command. Its message is for whoever ran the command: a sentence that says what is wrong
 * and what to do. Nothing secret goes into it, for it is printed and may end in a log.
 */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
  readonly code: string;
  readonly exitCode: FailureExitCode;

  constructor(code: string, exitCode: FailureExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** Everything that is wrong with the options and the environment of a command, told at once. */
export class ConfigError extends CommandError {
  override readonly name = 'ConfigError';
  /** One sentence each: what was wrong, and what is allowed. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super('CONFIG_INVALID', 2, problems.join('\n'));
    this.problems = problems;
  }
}
