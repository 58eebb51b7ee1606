import type { ServeSettings } from '../config/settings.js';
import { applyMigrations } from '../migrate/index.js';
import { describeError } from '../observe/errors.js';
import type { Log } from '../observe/log.js';
import { PgDatabase, type PoolOptions } from '../store/pool.js';
import { connectNews } from './connect-errors.js';
import { databaseTarget } from './database-target.js';
import { openEmbedded } from './embedded.js';
import type { ReleaseStack } from './release.js';

export interface Storage {
  readonly database: PgDatabase;
  readonly poolSize: number;
  /** The embedded database's own. */
  readonly signingKey: string | undefined;
  readonly failed: Promise<never>;
}

/** Opens the database of the settings; the embedded one is started, and brought up to date, first. */
export async function openStorage(
  settings: ServeSettings,
  log: Log,
  tell: Required<Pick<PoolOptions, 'onStatement' | 'onWaiting'>>,
  releases: ReleaseStack,
  signal?: AbortSignal,
): Promise<Storage> {
  let onNotConnected: (error: unknown) => void = () => undefined;
  const open = (connection: PoolOptions['connection'], size: number): PgDatabase => {
    const database = new PgDatabase({
      connection,
      size,
      statementTimeoutMs: settings.rotation.requestTimeoutMs,
      connectTimeoutMs: Math.min(3_000, settings.rotation.requestTimeoutMs),
      quiet: settings.rotation.blacklist === 'sync',
      applicationName: 'carelink-tokens serve',
      onStatement: tell.onStatement,
      onWaiting: tell.onWaiting,
      onPooler: () =>
        log.info('pooler', { cause: 'settings go along with each transaction, nothing is prepared' }),
      onNotConnected,
      onIdleError: (error) => log.warn('database_connection_lost', describeError(error)),
    });
    releases.add(() => database.end());
    return database;
  };
  if (settings.database.kind === 'url') {
    const target = databaseTarget(settings.database);
    onNotConnected = connectNews(target, log);
    const database = open(target, settings.poolSize);
    return {
      database,
      poolSize: settings.poolSize,
      signingKey: undefined,
      failed: new Promise(() => undefined),
    };
  }
  const embedded = await openEmbedded(settings.database.dataDir, 'serve', releases, signal);
  for (const warning of embedded.warnings) log.warn('data_directory', { cause: warning });
  await applyMigrations(embedded.connection, {
    createTables: settings.rotation.tokenTables,
    tokenTables: settings.rotation.tokenTables,
  });
  return {
    // One session is all that PGlite is (rule 15).
    database: open(embedded.connection, 1),
    poolSize: 1,
    signingKey: embedded.signingKey,
    failed: embedded.failed,
  };
}
