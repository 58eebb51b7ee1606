import { GRANTED_COMMANDS } from '../granted-commands.js';
import type { MigrateSettings } from '../config/settings.js';
import {
  applyMigrations,
  planRemoval,
  readNeededGrants,
  type Grants,
  readMigrationOverview,
  removeMigrations,
  repairLedger,
  type MigrateEvent,
  type Overview,
  type PlannedUndoing,
  type Repair,
  type Report,
} from '../migrate/index.js';
import type { PoolOptions } from '../store/pool.js';
import { databaseTarget } from './database-target.js';
import { toCommandError } from './command-errors.js';
import { openEmbedded } from './embedded.js';
import { ReleaseStack } from './release.js';

/** Called where the database is the embedded one, once that is there and this command's: nobody named another. */
export type OnEmbedded = () => void;

export interface MigrateControl {
  readonly onEmbedded?: OnEmbedded;
  readonly onEvent?: (event: MigrateEvent) => void;
  /** Ends the run in good order: a build that is under way is given up and tidied. */
  readonly signal?: AbortSignal;
}

/**
 * Does what the settings say: applies migrations, or undoes them.
 *
 * @throws CommandError with what to do about it
 */
export function changeMigrations(settings: MigrateSettings, control: MigrateControl): Promise<Report> {
  const {
    action,
    names,
    buildCovered,
    notify,
    tokenTables,
    users,
    dropTables,
    lockTimeoutMs,
    maxWaitMs,
    home,
    subscribersReady,
  } = settings;
  const options = {
    ...control,
    ...(names.length > 0 ? { names } : {}),
    ...(maxWaitMs === undefined ? {} : { maxWaitMs }),
    ...(home === undefined ? {} : { home }),
    lockTimeoutMs,
  };
  const createTables = mayCreateTables(settings);
  return onMigratedDatabase(
    settings,
    (connection) =>
      action === 'down'
        ? removeMigrations(connection, { ...options, dropTables })
        : applyMigrations(connection, {
            ...options,
            buildCovered,
            notify,
            users,
            createTables,
            tokenTables,
            subscribersReady,
          }),
    control.onEmbedded,
  );
}

/**
 * What `down` would do. Changes nothing.
 *
 * @throws CommandError with what to do about it
 */
export function planDown(
  settings: MigrateSettings,
  onEmbedded?: OnEmbedded,
): Promise<readonly PlannedUndoing[]> {
  const { names, dropTables } = settings;
  const options = { dropTables, ...(names.length > 0 ? { names } : {}) };
  return onMigratedDatabase(settings, (connection) => planRemoval(connection, options), onEmbedded);
}

/**
 * Where each migration stands, what would be done and what it would cost. Changes nothing.
 *
 * @throws CommandError with what to do about it
 */
export function surveyMigrations(settings: MigrateSettings, onEmbedded?: OnEmbedded): Promise<Overview> {
  const { buildCovered, notify, home, tokenTables, users } = settings;
  const createTables = mayCreateTables(settings);
  return onMigratedDatabase(
    settings,
    (connection) =>
      readMigrationOverview(connection, {
        buildCovered,
        notify,
        createTables,
        tokenTables,
        users,
        ...(home === undefined ? {} : { home }),
      }),
    onEmbedded,
  );
}

/**
 * Writes a ledger that was lost or altered anew, or tells what would be written.
 *
 * @throws CommandError with what to do about it
 */
export function repairMigrations(
  settings: MigrateSettings,
  control: MigrateControl,
): Promise<readonly Repair[]> {
  const { dryRun, lockTimeoutMs, maxWaitMs, home } = settings;
  return onMigratedDatabase(
    settings,
    (connection) =>
      repairLedger(connection, {
        ...control,
        ...(maxWaitMs === undefined ? {} : { maxWaitMs }),
        ...(home === undefined ? {} : { home }),
        lockTimeoutMs,
        dryRun,
      }),
    control.onEmbedded,
  );
}

/**
 * What a role needs on the database, by command. Changes nothing.
 *
 * @throws CommandError with what to do about it
 */
export function neededGrants(settings: MigrateSettings): Promise<Grants> {
  const { role, users, names, tokenTables } = settings;
  return onMigratedDatabase(settings, (connection) =>
    readNeededGrants(connection, {
      users,
      tokenTables,
      commands: GRANTED_COMMANDS.filter((command) => names.includes(command)),
      ...(role === undefined ? {} : { role }),
    }),
  );
}

/** Nobody but this tool is in charge of the embedded database. */
function mayCreateTables({ createTables, tokenTables, database }: MigrateSettings): boolean {
  return createTables || (tokenTables && database.kind === 'embedded');
}

/**
 * Does the work of the command `migrate` on its database: the one by URL, or the embedded one, started for it and
 * stopped afterwards.
 *
 * @throws CommandError with what to do about it, or what the work throws
 */
async function onMigratedDatabase<T>(
  settings: MigrateSettings,
  work: (connection: PoolOptions['connection']) => Promise<T>,
  onEmbedded: OnEmbedded = () => undefined,
): Promise<T> {
  const releases = new ReleaseStack();
  try {
    if (settings.database.kind === 'url') return await work(databaseTarget(settings.database));
    const embedded = await openEmbedded(settings.database.dataDir, 'migrate', releases);
    onEmbedded();
    return await work(embedded.connection);
  } catch (error) {
    throw toCommandError(error, settings.database);
  } finally {
    await releases.release();
  }
}
