import type { Connection } from '../store/connector.js';
import type { Owned } from '../store/own-schema.js';
import type { UserNames } from '../store/user-source.js';
import { down, planDown, type PlannedUndoing } from './down.js';
import type { Step } from './events.js';
import { MIGRATIONS_DIRECTORY, readMigrations, type Migration } from './files.js';
import type { GrantedCommand } from '../granted-commands.js';
import { readGrants, type Grants } from './grants.js';
import { readOverview, type Overview } from './overview.js';
import { renderFor } from './render.js';
import { planRepair, repair, type Repair } from './repair.js';
import { openSession } from './session.js';
import { up } from './up.js';
import { DJANGO_USERS } from './user-triggers.js';
import {
  APPLICATION_NAME,
  asMigrateError,
  change,
  look,
  type ChangeOptions,
  type ReadOptions,
} from './with-session.js';

export { MigrateError } from './errors.js';
export type { ChangeOptions, ReadOptions } from './with-session.js';
export type { Repair } from './repair.js';
export type { PlannedUndoing } from './down.js';
export type { Grants } from './grants.js';
export type { Blocker } from './blocker.js';
export type { MigrateEvent, Step } from './events.js';
export type { Overview } from './overview.js';
export type { BuildProgress } from './progress.js';

export interface Report {
  readonly steps: readonly Step[];
}

/** As they would be given to applyMigrations. */
export interface OverviewOptions extends ReadOptions {
  readonly tokenTables?: boolean;
  readonly createTables?: boolean;
  readonly buildCovered?: boolean;
  readonly notify?: boolean;
  readonly users?: UserNames;
  readonly home?: string;
}

export interface ApplyOptions extends ChangeOptions {
  /** Make simplejwt's tables, where no Django does. */
  readonly createTables: boolean;
  /** Build an index though another one covers it. */
  readonly buildCovered?: boolean;
  /** False: the site has no token tables, and none are made; what is about them is left out. */
  readonly tokenTables?: boolean;
  /** Subscribers of a publication of all tables have the tables that are to be made. */
  readonly subscribersReady?: boolean;
  /** Install the triggers that tell every instance what Django does by itself. */
  readonly notify?: boolean;
  /** Where they don't find the user table by themselves. */
  readonly users?: UserNames;
  /** The Django schema that ours belongs to, where several have the tables and it can't be told. */
  readonly home?: string;
}

export interface RemoveOptions extends ChangeOptions {
  /** Drop tables of ours too, with all that is in them. */
  readonly dropTables?: boolean;
}

/**
 * Applies what is pending, in order, under the lock of all runners.
 *
 * @throws MigrateError | NotConnectedError, or the error of `pg` where a migration's SQL was refused
 */
export async function applyMigrations(connection: Connection, options: ApplyOptions): Promise<Report> {
  const migrations = await readMigrations(options.directory ?? MIGRATIONS_DIRECTORY);
  const { createTables, buildCovered = false, notify = false, names, tokenTables = true } = options;
  const { subscribersReady = false } = options;
  const steps = await change(connection, options, (run, server) =>
    up(run, ofSite(migrations, run.session, tokenTables), server, {
      createTables,
      buildCovered,
      notify,
      names,
      subscribersReady,
    }),
  );
  return { steps };
}

/**
 * Undoes what this tool did, the latest first, under the lock of all runners.
 *
 * @throws like applyMigrations
 */
export async function removeMigrations(connection: Connection, options: RemoveOptions): Promise<Report> {
  const migrations = await readMigrations(options.directory ?? MIGRATIONS_DIRECTORY);
  const { dropTables = false, names } = options;
  const steps = await change(connection, options, (run) =>
    down(run, renderFor(run.session, migrations), { dropTables, names }),
  );
  return { steps };
}

/**
 * What removeMigrations would do. Changes nothing.
 *
 * @throws like readMigrationOverview
 */
export async function planRemoval(
  connection: Connection,
  options: RemoveOptions,
): Promise<readonly PlannedUndoing[]> {
  const migrations = await readMigrations(options.directory ?? MIGRATIONS_DIRECTORY);
  const { dropTables = false, names } = options;
  return look(connection, {}, (session) =>
    planDown(session, renderFor(session, migrations), { dropTables, names }),
  );
}

/**
 * Writes a ledger that was lost or altered anew, from what is there. With `dryRun` it changes nothing.
 *
 * @throws like applyMigrations
 */
export async function repairLedger(
  connection: Connection,
  options: ChangeOptions & { readonly dryRun: boolean; readonly home?: string },
): Promise<readonly Repair[]> {
  const migrations = await readMigrations(options.directory ?? MIGRATIONS_DIRECTORY);
  return options.dryRun
    ? look(connection, options, (session) => planRepair(session, migrations))
    : change(connection, options, (run) => repair(run, migrations));
}

/**
 * Where each migration stands, what `up` would do and what it would cost. Changes nothing.
 *
 * @throws MigrateError SERVER_UNFIT, UNSAFE, CONTENDED, MIGRATION_FAILED, CONNECTION_LOST | NotConnectedError
 */
export async function readMigrationOverview(
  connection: Connection,
  options: OverviewOptions = {},
): Promise<Overview> {
  const migrations = await readMigrations(options.directory ?? MIGRATIONS_DIRECTORY);
  const { buildCovered = false, createTables = false, notify = false, tokenTables = true } = options;
  const { users = DJANGO_USERS } = options;
  return look(connection, options, (session, server) => {
    const chosen = { buildCovered, createTables, notify, users };
    return readOverview(session, ofSite(migrations, session, tokenTables), server, chosen);
  });
}

/** Those that are about the site: without token tables what is left is our own schema. */
function ofSite(migrations: readonly Migration[], owned: Owned, tokenTables: boolean): readonly Migration[] {
  const all = renderFor(owned, migrations);
  return tokenTables ? all : all.filter(({ tables }) => tables.length === 0);
}

/**
 * Refuses a database that has token tables. Changes nothing.
 *
 * @throws SchemaError TABLES_THERE | MigrateError | NotConnectedError
 */
export function checkTableless(connection: Connection): Promise<void> {
  return look(connection, { tokenTables: false }, () => Promise.resolve());
}

/**
 * What a role needs on this database. Changes nothing.
 *
 * @throws MigrateError | SchemaError | NotConnectedError
 */
export async function readNeededGrants(
  connection: Connection,
  options: {
    readonly role?: string;
    readonly users?: UserNames;
    /** Only for these; all where none is named. */
    readonly commands?: readonly GrantedCommand[];
    readonly tokenTables?: boolean;
  } = {},
): Promise<Grants> {
  const session = await openSession(connection, APPLICATION_NAME);
  try {
    const { role, users = DJANGO_USERS, commands = [], tokenTables = true } = options;
    return await readGrants(session, { role, users, commands, tokenTables });
  } catch (error) {
    throw asMigrateError(error, undefined);
  } finally {
    await session.close();
  }
}
