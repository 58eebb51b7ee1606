import type { DatabaseSettings } from '../config/parts.js';
import { applyMigrations } from '../migrate/index.js';
import { PgDatabase } from '../store/pool.js';
import { toCommandError } from './command-errors.js';
import { databaseTarget } from './database-target.js';
import { openEmbedded } from './embedded.js';
import { ReleaseStack } from './release.js';

export interface CommandDatabaseOptions {
  /** As it is typed. */
  readonly command: string;
  /** Connections to a database by URL. The embedded one has one. */
  readonly size: number;
  readonly statementTimeoutMs: number;
  /** What an embedded database is brought up to first: nobody but this tool is in charge of it. Undefined: it is left as it is. */
  readonly migrated?: { readonly createTables: boolean; readonly tokenTables: boolean };
}

/**
 * Opens the database of a command for as long as its work takes.
 *
 * @param work is given the signing key of an embedded database's directory, too
 * @throws CommandError with what to do about it
 */
export async function onCommandDatabase<T>(
  settings: DatabaseSettings,
  options: CommandDatabaseOptions,
  work: (database: PgDatabase, ownKey: string | undefined) => Promise<T>,
): Promise<T> {
  const releases = new ReleaseStack();
  try {
    const { ownKey, ...target } = await connect(settings, options, releases);
    const database = new PgDatabase({
      ...target,
      statementTimeoutMs: options.statementTimeoutMs,
      connectTimeoutMs: 10_000,
      applicationName: `carelink-tokens ${options.command}`,
      onStatement: () => undefined,
      onIdleError: () => undefined,
    });
    releases.add(() => database.end());
    return await work(database, ownKey);
  } catch (error) {
    throw toCommandError(error, settings);
  } finally {
    await releases.release();
  }
}

async function connect(
  settings: DatabaseSettings,
  { command, size, migrated }: CommandDatabaseOptions,
  releases: ReleaseStack,
) {
  if (settings.kind === 'url') return { connection: databaseTarget(settings), size, ownKey: undefined };
  const { connection, signingKey } = await openEmbedded(settings.dataDir, command, releases);
  if (migrated !== undefined) await applyMigrations(connection, migrated);
  return { connection, size: 1, ownKey: signingKey };
}
