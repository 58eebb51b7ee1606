import cluster from 'node:cluster';
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import type { CommonSettings } from '../config/settings.js';
import { processSource } from '../config/source.js';
import { benchCommand } from './commands/bench.js';
import { cleanupCommand } from './commands/cleanup.js';
import { doctorCommand } from './commands/doctor.js';
import { migrateCommand } from './commands/migrate.js';
import { revokeCommand } from './commands/revoke.js';
import { serveCommand } from './commands/serve.js';
import type { CommandDescriptor } from './descriptor.js';
import { EXIT_CODES, failureOf, type ExitCode } from './exit-codes.js';
import { addOptions, flagsOf, secretsHelp } from './options.js';
import { Output, surviveClosedPipes } from './output.js';

/** Wide enough for two columns; a terminal's own width is taken where there is one. */
const HELP_WIDTH = 100;

/** What is still open when a command is done gets this long to close; then the process ends all the same. */
const LINGER_MS = 2_000;

/** Runs the command line and returns the exit code. Never throws. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  surviveClosedPipes();
  const exitCode = await runCommand(argv);
  // A worker's channel to its primary stays open for ever, and what it had to say is said.
  setTimeout(() => process.exit(exitCode), cluster.isWorker ? 0 : LINGER_MS).unref();
  return exitCode;
}

async function runCommand(argv: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const program = new Command('carelink-tokens')
    .description(
      "Refresh server, migrations, cleanup and load benchmark for Django + simplejwt's token tables.",
    )
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({
      getOutHelpWidth: () => (process.stdout.isTTY ? process.stdout.columns : HELP_WIDTH),
      getErrHelpWidth: () => (process.stderr.isTTY ? process.stderr.columns : HELP_WIDTH),
    })
    .addHelpText('after', `\n${exitCodesHelp()}`);
  const done = (code: ExitCode): void => void (exitCode = code);
  register(program, serveCommand, done);
  register(program, migrateCommand, done);
  register(program, benchCommand, done);
  register(program, cleanupCommand, done);
  register(program, revokeCommand, done);
  register(program, doctorCommand, done);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed already. Its codes are 0 for help that was asked for, and 1 for all bad usage.
      return error.exitCode === 0 ? 0 : 2;
    }
    const failure = failureOf(error);
    new Output({ json: false, quiet: false }).error(failure.message);
    return failure.exitCode;
  }
}

function register<Settings extends CommonSettings>(
  program: Command,
  descriptor: CommandDescriptor<Settings>,
  done: (exitCode: ExitCode) => void,
): void {
  const { name, summary, table, examples, words = [] } = descriptor;
  const command = program.command(name).description(summary);
  for (const [syntax, help] of words) command.argument(syntax, help);
  addOptions(command, table);
  command
    .showHelpAfterError(`Run \`carelink-tokens ${name} --help\` for what is allowed.`)
    .addHelpText(
      'after',
      `${secretsHelp(table)}
Each option is also read from the environment variable in brackets; a flag beats it.
Lists in a variable are separated by commas. Durations: 250ms 30s 15m 12h 7d.

Examples:
${examples.map((example) => `  ${example}`).join('\n')}

${exitCodesHelp()}`,
    )
    .action(async () => {
      const settings = descriptor.settings(flagsOf(command, table), processSource(), command.args);
      const output = new Output(settings);
      // Workers of `serve` are told the same things; once is enough.
      if (cluster.isPrimary) for (const warning of settings.warnings) output.warn(warning);
      done(await descriptor.run(settings, output));
    });
}

function exitCodesHelp(): string {
  const lines = Object.entries(EXIT_CODES).map(([code, meaning]) => `  ${code.padEnd(3)}  ${meaning}`);
  return `Exit codes:\n${lines.join('\n')}`;
}

function version(): string {
  const manifest = createRequire(import.meta.url)('../../package.json') as { version: string };
  return manifest.version;
}
