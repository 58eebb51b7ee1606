import { setTimeout as sleep } from 'node:timers/promises';
import { isConnectionError } from '../store/connect-failure.js';
import type { Connection } from '../store/connector.js';
import { isPrivilegeMissing, NotConnectedError, SchemaError, sqlStateOf } from '../store/errors.js';
import { down, planDown, type PlannedUndoing } from './down.js';
import { MigrateError } from './errors.js';
import type { MigrateEvent, Step } from './events.js';
import { MIGRATIONS_DIRECTORY, readMigrations, type Migration } from './files.js';
import { renderFor } from './render.js';
import type { Owned } from '../store/own-schema.js';
import { settleOwn, type Place } from './home.js';
import { readGrants, type GrantedCommand, type Grants } from './grants.js';
import { withLock } from './lock.js';
import { readOverview, type Overview } from './overview.js';
import { poolOfOne, refusePooler } from './pooler.js';
import { judgeServer, type ServerFacts } from './preflight.js';
import { openPromptly, promptly } from './promptly.js';
import type { RunContext, Timing } from './run-context.js';
import { openSession, type Session } from './session.js';
import { readServer } from './surroundings.js';
import type { UserNames } from '../store/user-source.js';
import { up } from './up.js';
import { DJANGO_USERS } from './user-triggers.js';

export { MigrateError } from './errors.js';
export type { PlannedUndoing } from './down.js';
export { GRANTED_COMMANDS, type Grants } from './grants.js';
export type { Blocker } from './blocker.js';
export type { MigrateEvent, Step } from './events.js';
export type { Overview } from './overview.js';
export type { BuildProgress } from './progress.js';

export interface Report {
  readonly steps: readonly Step[];
}

export interface ReadOptions {
  /** Of the `NNNN_name.sql` files; the package's own where nothing is said. */
  readonly directory?: string;
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

export interface ChangeOptions extends ReadOptions {
  /** Only these migrations. */
  readonly names?: readonly string[];
  /** How long one try may make live traffic wait behind it for a lock. */
  readonly lockTimeoutMs?: number;
  /** How long others may stand in the way: another runner, a transaction that a build waits for. */
  readonly maxWaitMs?: number;
  readonly onEvent?: (event: MigrateEvent) => void;
  /** Ends the run in good order: a build that is under way is given up and tidied. */
  readonly signal?: AbortSignal;
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

/** A stall of live traffic that nobody notices; the pauses between two tries are ten times that and more. */
const DEFAULT_LOCK_TIMEOUT_MS = 100;

/** A second session is had at once, unless a pool has none to give: waited for as for another run, where nothing is said. */
const WATCHER_WAIT_MS = 5_000;

const APPLICATION_NAME = 'carelink-tokens migrate';

const TIMING: Timing = {
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }),
  random: Math.random,
};

/**
 * Applies what is pending, in order, under the lock of all runners.
 *
 * @throws MigrateError | NotConnectedError, or the error of `pg` where a migration's SQL was refused
 */
export async function applyMigrations(connection: Connection, options: ApplyOptions): Promise<Report> {
  const migrations = await readMigrations(options.directory ?? MIGRATIONS_DIRECTORY);
  const { createTables, buildCovered = false, notify = false, names, tokenTables = true } = options;
  const { subscribersReady = false } = options;
  return change(connection, options, (run, server) =>
    up(run, ofSite(migrations, run.session, tokenTables), server, {
      createTables,
      buildCovered,
      notify,
      names,
      subscribersReady,
    }),
  );
}

/**
 * Undoes what this tool did, the latest first, under the lock of all runners.
 *
 * @throws like applyMigrations
 */
export async function removeMigrations(connection: Connection, options: RemoveOptions): Promise<Report> {
  const migrations = await readMigrations(options.directory ?? MIGRATIONS_DIRECTORY);
  const { dropTables = false, names } = options;
  return change(connection, options, (run) =>
    down(run, renderFor(run.session, migrations), { dropTables, names }),
  );
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

async function look<T>(
  connection: Connection,
  place: Place,
  work: (session: Session, server: ServerFacts) => Promise<T>,
): Promise<T> {
  const session = await openSession(connection, APPLICATION_NAME);
  try {
    await fitServer(session);
    const own = session.of(await settleOwn(session, place));
    return await work(own, await fitServer(own));
  } catch (error) {
    throw asMigrateError(error, undefined);
  } finally {
    await session.close();
  }
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

async function change(
  connection: Connection,
  options: ChangeOptions & Pick<ApplyOptions, 'users' | 'home' | 'tokenTables'>,
  work: (run: RunContext, server: ServerFacts) => Promise<Step[]>,
): Promise<Report> {
  const { lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS, maxWaitMs, signal } = options;
  const emit = options.onEvent ?? (() => undefined);
  const prompt = {
    timing: TIMING,
    signal,
    onWait: () => emit({ event: 'session_waiting' }),
    limit: undefined,
  };
  const session = await openPromptly(openSession(connection, APPLICATION_NAME), prompt);
  let watcher: Session | undefined;
  try {
    const server = await promptly(fitServer(session), prompt);
    if (!server.embedded) {
      const limit = { ms: maxWaitMs ?? WATCHER_WAIT_MS, error: poolOfOne };
      watcher = await openPromptly(openSession(connection, `${APPLICATION_NAME} watch`), {
        ...prompt,
        limit,
      });
      await promptly(refusePooler(session, watcher), { ...prompt, limit });
      await watcher.configure();
      await watcher.actAsLogin();
    }
    await session.configure();
    const userTable = options.users ?? DJANGO_USERS;
    const run = { watcher, timing: TIMING, emit, lockTimeoutMs, maxWaitMs, signal, userTable };
    for (;;) {
      const own = session.of(await settleOwn(session, options));
      const steps = await withLock(own, run, async () => {
        // Another run may have made a schema of ours meanwhile, and not for this Django.
        if ((await settleOwn(own, options)) !== own.own) return undefined;
        return work({ ...run, session: own }, await fitServer(own));
      });
      if (steps !== undefined) return { steps };
    }
  } catch (error) {
    throw asMigrateError(error, signal);
  } finally {
    await watcher?.close();
    await session.close();
  }
}

/** Errors of `pg` may hold values in their details; their messages name objects, and tell what is wrong. */
function asMigrateError(error: unknown, signal: AbortSignal | undefined): unknown {
  if (error instanceof MigrateError || error instanceof SchemaError || error instanceof NotConnectedError)
    return error;
  const cause = { cause: error };
  if (signal?.aborted === true) {
    return new MigrateError('INTERRUPTED', 'Interrupted. What was finished is kept.', cause);
  }
  if (sqlStateOf(error) === undefined) {
    return isConnectionError(error)
      ? new MigrateError(
          'CONNECTION_LOST',
          'The connection to PostgreSQL broke. What was finished is kept; run it again, and it goes on from there.',
          cause,
        )
      : error;
  }
  const { message } = error as Error;
  if (isPrivilegeMissing(error)) {
    const advice = 'Connect as the owner. What was finished before is kept.';
    return new MigrateError('UNSAFE', `PostgreSQL refused it: ${message}. ${advice}`, cause);
  }
  return new MigrateError('MIGRATION_FAILED', `PostgreSQL refused it: ${message}.`, cause);
}

async function fitServer(session: Session): Promise<ServerFacts & { readonly embedded: boolean }> {
  const server = await readServer(session);
  const [refusal] = judgeServer(server);
  if (refusal !== undefined) {
    const code = refusal.code === 'no_create_right' ? 'UNSAFE' : 'SERVER_UNFIT';
    throw new MigrateError(code, refusal.message);
  }
  return server;
}
