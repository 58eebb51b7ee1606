import { sharedCleanupSession } from '../cleanup/session.js';
import type { SessionsSettings } from '../config/sessions-settings.js';
import { SessionsError } from '../sessions/errors.js';
import { findUser, liveSessions, type UserSessions } from '../sessions/live.js';
import { askOf } from '../store/database.js';
import type { PgDatabase } from '../store/pool.js';
import { checkRights } from '../store/rights.js';
import { ORDINARY_DATES, readRowDates } from '../store/row-dates.js';
import { readSchema } from '../store/schema.js';
import { HOME_UNWRITTEN } from '../store/token-tables.js';
import { fittingUserKey } from '../store/user-key.js';
import { onCommandDatabase } from './command-database.js';
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
  return onCommandDatabase(
    settings.database,
    {
      command: 'sessions',
      size: 1,
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      migrated: { createTables: true, tokenTables: true },
    },
    (database) => read(settings, onWarning, database),
  );
}

async function read(
  settings: SessionsSettings,
  onWarning: (sentence: string) => void,
  database: PgDatabase,
): Promise<SessionsOfUser> {
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
