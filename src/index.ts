/** carelink-tokens in a program of one's own: what the commands do, without a terminal. */
import type { BenchPlan, BenchReport } from './bench/index.js';
import { cleanUp, surveyCleanup, type CleanupEvent, type DryRun, type Summary } from './cleanup/index.js';
import { runBenchCommand } from './compose/bench.js';
import { onCleanupDatabase } from './compose/cleanup.js';
import { changeMigrations, surveyMigrations as surveyOf, type MigrateControl } from './compose/migrate.js';
import type { Serving } from './compose/serving.js';
import { startServing } from './compose/start-serving.js';
import { benchSettings } from './config/bench-settings.js';
import { cleanupSettings } from './config/cleanup-settings.js';
import { CommandError, ConfigError } from './config/errors.js';
import { migrateSettings } from './config/migrate-settings.js';
import type { Flags } from './config/resolve.js';
import { serveSettings } from './config/serve-settings.js';
import type { CleanupSettings } from './config/settings.js';
import { processSource } from './config/source.js';
import type { Overview, Report } from './migrate/index.js';
import { createLog } from './observe/log.js';

export type { CleanupEvent, DryRun as CleanupSurvey, Summary as CleanupSummary } from './cleanup/index.js';
export { CommandError, ConfigError } from './config/errors.js';
export type { BenchReport } from './bench/index.js';
export type { MigrateEvent, Overview as MigrationSurvey, Report as MigrateReport } from './migrate/index.js';
export type { Flags } from './config/resolve.js';
export type { Serving } from './compose/serving.js';

/**
 * Starts a refresh server. Options are those of the command line, without their dashes
 * (`{ port: 0, 'reuse-grace': '10s' }`); what isn't given comes from the environment.
 *
 * @param log where the log's JSON lines go; nowhere if not given
 * @throws ConfigError with all that is wrong with the options; CommandError with what to do
 */
export function serve(options: Flags = {}, log?: { write(line: string): void }): Promise<Serving> {
  const settings = serveSettings(options, processSource());
  if (settings.workers > 1) {
    throw new CommandError(
      'WORKERS_NEED_THE_COMMAND',
      2,
      'workers is for the command line, which starts itself again. In a program, call serve() in processes of its own.',
    );
  }
  const level = log === undefined ? 'silent' : settings.logLevel;
  return startServing(settings, createLog({ level, destination: log ?? { write: () => undefined } }));
}

/**
 * Applies the migrations that are pending, or undoes some, as the command `migrate` does.
 *
 * @param words as on the command line: `['up']` (what is done where nothing is said) or `['down']`, and names
 * @param control `onEvent` is told how it goes; `signal` gives up a build that is under way, and tidies it
 * @throws ConfigError with all that is wrong with the options; CommandError, with its exit code, and what to do
 */
export async function migrate(
  options: Flags = {},
  words: readonly string[] = [],
  control: MigrateControl = {},
): Promise<Report> {
  const settings = migrateSettings(options, processSource(), words);
  if (settings.action !== 'up' && settings.action !== 'down') {
    throw new ConfigError([`migrate() does up or down, not ${settings.action}: that is surveyMigrations().`]);
  }
  return changeMigrations(settings, control);
}

/**
 * Where each migration stands, what `migrate` would do, and what it would cost in bytes, writes and time. Changes nothing.
 *
 * @throws ConfigError, CommandError
 */
export async function surveyMigrations(options: Flags = {}): Promise<Overview> {
  return surveyOf(migrateSettings(options, processSource(), ['plan']));
}

/**
 * Loads a refresh endpoint and judges it by the KPIs. Options are those of the command line, without their dashes
 * (`{ mode: 'open', rate: '500' }`); those that name files to be written are not looked at.
 *
 * @param url of a server or its refresh endpoint; without one a server is started, seeded and stopped
 * @throws ConfigError with all that is wrong with the options; CommandError where the endpoint can't be loaded
 */
export async function bench(
  url?: string,
  options: Flags = {},
  hooks: { readonly signal?: AbortSignal; readonly onProgress?: BenchPlan['onProgress'] } = {},
): Promise<BenchReport> {
  const settings = benchSettings(options, processSource(), url === undefined ? [] : [url]);
  const { report } = await runBenchCommand(settings, {
    signal: hooks.signal ?? new AbortController().signal,
    onProgress: hooks.onProgress ?? (() => undefined),
    onStarting: () => undefined,
  });
  return report;
}

/**
 * Removes expired tokens, once, as the command `cleanup` does (`{ retention: '30d', 'max-rows': '100000' }`). When to do
 * it again is for the caller to say: `every` and `dry-run` play no part here.
 *
 * @param control `onEvent` is told how it goes; `signal` ends it after the batch that is under way
 * @throws ConfigError with all that is wrong with the options; CommandError, with its exit code, and what to do
 */
export async function cleanup(
  options: Flags = {},
  control: { readonly onEvent?: (event: CleanupEvent) => void; readonly signal?: AbortSignal } = {},
): Promise<Summary> {
  const settings = withTables(cleanupSettings(options, processSource()));
  return onCleanupDatabase(settings, (session) => cleanUp(session, { ...settings.cleanup, ...control }));
}

/**
 * What `cleanup` would remove, by age, and how long it would take. Changes nothing.
 *
 * @throws ConfigError, CommandError
 */
export async function surveyExpired(options: Flags = {}): Promise<DryRun> {
  const settings = withTables(cleanupSettings(options, processSource()));
  return onCleanupDatabase(settings, (session) => surveyCleanup(session, settings.cleanup));
}

/** @throws ConfigError */
function withTables(settings: CleanupSettings): CleanupSettings {
  if (settings.tokenTables) return settings;
  throw new ConfigError(['token-tables is none: without token tables there is nothing to clean up.']);
}
