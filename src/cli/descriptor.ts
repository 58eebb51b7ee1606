import type { Table } from '../config/option.js';
import type { Flags } from '../config/resolve.js';
import type { Orders } from '../compose/worker.js';
import type { FileTexts, SettingsReader } from '../config/reader.js';
import type { CommonSettings } from '../config/settings.js';
import type { Source } from '../config/source.js';
import type { ExitCode } from './exit-codes.js';
import type { Output } from './output.js';

/** How a command was begun. */
export interface Launch<Settings> {
  /** Reads its settings again. */
  readonly read: SettingsReader<Settings>;
  /** The files that its settings were made of. */
  readonly files: FileTexts;
  /** Of the first process, where this is one of `serve --workers`. */
  readonly orders: Orders | undefined;
  /** All commands that there are. */
  readonly commands: readonly CommandText[];
}

/** What is said of a command: in the help, in the manual and by the completion of a shell. */
export interface CommandText {
  readonly name: string;
  /** The heading that the list of commands shows it under. */
  readonly group: string;
  readonly summary: string;
  readonly examples: readonly string[];
  readonly table: Table;
  /** The options that most people need: five or fewer, which the help shows first. */
  readonly first: readonly string[];
  /** What it takes without dashes, in order. None: nothing. */
  readonly words?: readonly Word[];
}

/** What a command takes without dashes. */
export interface Word {
  /** As commander writes it: `[action]`, `[names...]`, `<shell>`. */
  readonly syntax: string;
  readonly help: string;
  /** What it may be, where that is known. */
  readonly suggests?: readonly string[];
}

/** All that main.ts needs to know of a command; it stands beside the command's function. */
export interface CommandDescriptor<Settings extends CommonSettings> extends CommandText {
  /** @throws {ConfigError} */
  settings(flags: Flags, source: Source, words: readonly string[]): Settings;
  run(settings: Settings, output: Output, launch: Launch<Settings>): Promise<ExitCode>;
}
