import cluster from 'node:cluster';
import { createRequire } from 'node:module';
import { Command, CommanderError, Option as CommanderOption } from 'commander';
import type { CommonSettings } from '../config/settings.js';
import { withEnvFile } from '../config/env-file.js';
import { switchOf } from '../config/option.js';
import { ENV_FILE_OPTION } from '../config/shared-options.js';
import { settingsReader } from '../config/reader.js';
import { processSource } from '../config/source.js';
import { COMMANDS } from './commands.js';
import type { CommandDescriptor } from './descriptor.js';
import { failureOf, type ExitCode } from './exit-codes.js';
import { commandFooter, HELP_LAYOUT, helpOption, helpWidth, programFooter } from './help.js';
import { addOptions, flagsOf } from './options.js';
import { Output, surviveClosedPipes } from './output.js';
import { tellOfProcess } from './process-events.js';
import { snakeCased } from './snake-case.js';

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
    .option('--version', 'print the version; with --json: what else a bug report needs')
    .on('option:version', () => {
      throw new VersionAsked();
    })
    .addHelpOption(helpOption('Options:'))
    .exitOverride()
    .configureOutput({
      getOutHelpWidth: () => helpWidth(process.stdout),
      getErrHelpWidth: () => helpWidth(process.stderr),
      outputError: (text, write) => write(text.replace(/^error: /, `error: ${USAGE}: `)),
      // With --json it is told once, as JSON, when it is caught below.
      ...(json ? { writeErr: () => undefined } : {}),
    })
    .configureHelp(HELP_LAYOUT)
    .commandsGroup('Set up:')
    .helpCommand('help [command]', 'print the help of a command')
    .addHelpText('after', ({ error, command }) => programFooter(command, error));
  // With --version only: of a command it stands behind the command.
  if (argv.includes('--version')) program.addOption(new CommanderOption('--json').hideHelp());
  const done = (code: ExitCode): void => void (exitCode = code);
  for (const descriptor of COMMANDS) register(program, descriptor, speaker, done);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof VersionAsked) return tellVersion(speaker.output, json);
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

/** It is told whatever else stands on the command line. */
class VersionAsked extends Error {}

async function tellVersion(output: Output, json: boolean): Promise<ExitCode> {
  if (json) {
    const { releaseFacts } = await import('../compose/release-facts.js');
    output.document(snakeCased(await releaseFacts()));
  } else output.verdict(version());
  return 0;
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
  const { name, group, summary, table, words = [] } = descriptor;
  const command = program.command(name).description(summary).helpGroup(`${group}:`);
  for (const { syntax, help } of words) command.argument(syntax, help);
  addOptions(command, descriptor);
  command
    .addHelpOption(helpOption(`${ENV_FILE_OPTION['env-file'].group}:`))
    .showHelpAfterError(`Run \`carelink-tokens ${name} --help\` for what is allowed.`)
    .addHelpText('after', ({ error }) => commandFooter(command, descriptor, error))
    .action(async () => {
      const read = settingsReader((source) => {
        const flags = flagsOf(command, table);
        const env = 'env-file' in table ? withEnvFile(flags, source) : source;
        return descriptor.settings(flags, env, command.args);
      });
      const orders = cluster.isWorker
        ? (await import('../compose/worker.js')).listenToPrimary(process)
        : undefined;
      const { settings, files } = read(await orders?.files);
      const output = (speaker.output = new Output(settings));
      // Workers of `serve` are told the same things; once is enough.
      if (cluster.isPrimary) for (const warning of settings.warnings) output.warn(warning);
      done(await descriptor.run(settings, output, { read, files, orders, commands: COMMANDS }));
    });
}

function version(): string {
  const manifest = createRequire(import.meta.url)('../../package.json') as { version: string };
  return manifest.version;
}
