import { sharedCleanupSession } from '../cleanup/session.js';
import type { SessionsSettings } from '../config/sessions-settings.js';
import { applyMigrations } from '../migrate/index.js';
import { SessionsError } from '../sessions/errors.js';
import { findUser, liveSessions, type UserSessions } from '../sessions/live.js';
import { askOf } from '../store/database.js';
import { PgDatabase, type PoolOptions } from '../store/pool.js';
import { checkRights } from '../store/rights.js';
import { ORDINARY_DATES, readRowDates } from '../store/row-dates.js';
import { readSchema } from '../store/schema.js';
import { HOME_UNWRITTEN } from '../store/token-tables.js';
import { fittingUserKey } from '../store/user-key.js';
import { databaseTarget } from './database-target.js';
import { toCommandError } from './command-errors.js';
import { openEmbedded } from './embedded.js';
import { ReleaseStack } from './release.js';
import { lettersOf } from './unwritten.js';

export interface SessionsOfUser extends UserSessions {
  /** In the form in which the database compares it. */
  readonly userKey: string;
  /** False: users are not checked, so nobody knows whether there is such a user. */
  readonly known: boolean;
}

/** A hundred thousand rows of one user take half a second; a table without an index is read from end to end. */
const STATEMENT_TIMEOUT_MS = 60_000;

/** All statements see the tables at one moment: between two of them a session may be refreshed, and its newest row be another. */
const BEGIN = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

/**
 * Does the work of the command `sessions`. Reads only.
 *
 * @throws CommandError with what to do about it
 */
export async function sessionsOfUser(
  settings: SessionsSettings,
  onWarning: (sentence: string) => void,
): Promise<SessionsOfUser> {
  const releases = new ReleaseStack();
  try {
    return await read(settings, onWarning, releases);
  } catch (error) {
    throw toCommandError(error, settings.database);
  } finally {
    await releases.release();
  }
}

async function read(
  settings: SessionsSettings,
  onWarning: (sentence: string) => void,
  releases: ReleaseStack,
): Promise<SessionsOfUser> {
  const database = new PgDatabase({
    ...(await connect(settings, releases)),
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    connectTimeoutMs: 10_000,
    applicationName: 'carelink-tokens sessions',
    onStatement: () => undefined,
    onIdleError: () => undefined,
  });
  releases.add(() => database.end());
  const ask = askOf(database);
  const schema = await readSchema(database, {
    ...settings.users,
    slidingEnd: settings.names.slidingEnd,
    mayLackUsers: true,
  });
  await checkRights(ask, schema, ['sessions']);
  if (schema.homeUnwritten) onWarning(HOME_UNWRITTEN);
  const userKey = fittingUserKey(schema, settings.userKey);
  if (userKey === undefined)
    throw new SessionsError(
      'USER_ID_UNFIT',
      `${settings.userKey} can't be the id of a user: here it is of the type ${schema.users?.keyType ?? schema.userKeyType}.`,
    );
  const known = await findUser(ask, schema, userKey);
  const dates = (await readRowDates(ask, schema)) ?? ORDINARY_DATES;
  const letters = await lettersOf(database, schema, userKey);
  return sharedCleanupSession(database).transaction(BEGIN, async (query) => ({
    end: 'rollback',
    value: {
      userKey,
      known,
      ...(await liveSessions(query, schema, userKey, letters, { ...settings, dates })),
    },
  }));
}

async function connect(
  { database }: SessionsSettings,
  releases: ReleaseStack,
): Promise<Pick<PoolOptions, 'connection' | 'size'>> {
  if (database.kind === 'url') return { connection: databaseTarget(database), size: 1 };
  const embedded = await openEmbedded(database.dataDir, 'sessions', releases);
  // Nobody but this tool is in charge of it.
  await applyMigrations(embedded.connection, { createTables: true, tokenTables: true });
  return { connection: embedded.connection, size: 1 };
}
