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
}

/** All that main.ts needs to know of a command; it stands beside the command's function. */
export interface CommandDescriptor<Settings extends CommonSettings> {
  readonly name: string;
  readonly summary: string;
  readonly examples: readonly string[];
  readonly table: Table;
  /** What it takes without dashes, as commander writes it, and what that is. None: nothing. */
  readonly words?: readonly (readonly [syntax: string, help: string])[];
  /** @throws {ConfigError} */
  settings(flags: Flags, source: Source, words: readonly string[]): Settings;
  run(settings: Settings, output: Output, launch: Launch<Settings>): Promise<ExitCode>;
}
