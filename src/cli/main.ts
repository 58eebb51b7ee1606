import cluster from 'node:cluster';
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import type { CommonSettings } from '../config/settings.js';
import { withEnvFile } from '../config/env-file.js';
import { switchOf } from '../config/option.js';
import { settingsReader } from '../config/reader.js';
import { processSource } from '../config/source.js';
import { adoptCommand } from './commands/adopt.js';
import { auditCommand } from './commands/audit.js';
import { benchCommand } from './commands/bench.js';
import { cleanupCommand } from './commands/cleanup.js';
import { deadLettersCommand } from './commands/dead-letters.js';
import { doctorCommand } from './commands/doctor.js';
import { migrateCommand } from './commands/migrate.js';
import { revokeCommand } from './commands/revoke.js';
import { serveCommand } from './commands/serve.js';
import { sessionsCommand } from './commands/sessions.js';
import type { CommandDescriptor } from './descriptor.js';
import { EXIT_CODES, failureOf, type ExitCode } from './exit-codes.js';
import { addOptions, flagsOf, secretsHelp } from './options.js';
import { Output, surviveClosedPipes } from './output.js';
import { tellOfProcess } from './process-events.js';

/** Wide enough for two columns; a terminal's own width is taken where there is one. */
const HELP_WIDTH = 100;

/** What is still open when a command is done gets this long to close; then the process ends all the same. */
const LINGER_MS = 2_000;

/**
 * Runs the command line and returns the exit code. Never throws.
 *
 * @param earlyWarnings Node's, of before there was anybody to tell them
 */
export async function main(argv: readonly string[], earlyWarnings: readonly Error[] = []): Promise<ExitCode> {
  surviveClosedPipes();
  // Before a command's settings are read: what is wrong with those is told in the form that was asked for, too.
  const speaker = { output: new Output({ json: jsonWanted(argv), quiet: false }) };
  tellOfProcess((notice) => speaker.output.notice(notice), earlyWarnings);
  // Node would print the message, which may hold a secret, and as text.
  process.on('uncaughtException', (error) => {
    const failure = failureOf(error);
    speaker.output.error(failure);
    process.exit(failure.exitCode);
  });
  const exitCode = await runCommand(argv, speaker);
  // A worker's channel to its primary stays open for ever, and what it had to say is said.
  setTimeout(() => process.exit(exitCode), cluster.isWorker ? 0 : LINGER_MS).unref();
  return exitCode;
}

/** Who speaks: until its settings are read, a command has no Output of its own. */
interface Speaker {
  output: Output;
}

async function runCommand(argv: readonly string[], speaker: Speaker): Promise<ExitCode> {
  const json = jsonWanted(argv);
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
      outputError: (text, write) => write(text.replace(/^error: /, `error: ${USAGE}: `)),
      // With --json it is told once, as JSON, when it is caught below.
      ...(json ? { writeErr: () => undefined } : {}),
    })
    .addHelpText('after', `\n${exitCodesHelp()}`);
  const done = (code: ExitCode): void => void (exitCode = code);
  register(program, serveCommand, speaker, done);
  register(program, migrateCommand, speaker, done);
  register(program, benchCommand, speaker, done);
  register(program, cleanupCommand, speaker, done);
  register(program, sessionsCommand, speaker, done);
  register(program, revokeCommand, speaker, done);
  register(program, auditCommand, speaker, done);
  register(program, deadLettersCommand, speaker, done);
  register(program, doctorCommand, speaker, done);
  register(program, adoptCommand, speaker, done);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // Its codes are 0 for help that was asked for, and 1 for all bad usage. Text it has printed already.
      if (error.exitCode === 0) return 0;
      if (json) speaker.output.error({ code: USAGE, exitCode: 2, message: usageMessage(error) });
      return 2;
    }
    const failure = failureOf(error);
    speaker.output.error(failure);
    return failure.exitCode;
  }
}

const USAGE = 'USAGE';

function usageMessage({ code, message }: CommanderError): string {
  if (code === 'commander.help')
    return 'A command is missing. Run `carelink-tokens --help` for what there is.';
  return message.replace(/^error: /, '');
}

/** Whether --json is on, told without reading anything else: the last flag, else the variable. */
function jsonWanted(argv: readonly string[]): boolean {
  const flag = argv.findLast((word) => word === '--json' || word === '--no-json');
  if (flag !== undefined) return flag === '--json';
  return switchOf((processSource().env['CARELINK_JSON'] ?? '').trim()) ?? false;
}

function register<Settings extends CommonSettings>(
  program: Command,
  descriptor: CommandDescriptor<Settings>,
  speaker: Speaker,
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
Each option is also read from the environment variable in brackets; a flag beats it, and it beats --env-file.
Lists in a variable are separated by commas. Durations: 250ms 30s 15m 12h 7d 6y (a year is 366 days).

Examples:
${examples.map((example) => `  ${example}`).join('\n')}

${exitCodesHelp()}`,
    )
    .action(async () => {
      const read = settingsReader((source) => {
        const flags = flagsOf(command, table);
        return descriptor.settings(flags, withEnvFile(flags, source), command.args);
      });
      const orders = cluster.isWorker
        ? (await import('../compose/worker.js')).listenToPrimary(process)
        : undefined;
      const { settings, files } = read(await orders?.files);
      const output = (speaker.output = new Output(settings));
      // Workers of `serve` are told the same things; once is enough.
      if (cluster.isPrimary) for (const warning of settings.warnings) output.warn(warning);
      done(await descriptor.run(settings, output, { read, files, orders }));
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
