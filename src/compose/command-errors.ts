import { CleanupError, type CleanupErrorCode } from '../cleanup/errors.js';
import { CommandError, type FailureExitCode } from '../config/errors.js';
import type { DatabaseSettings } from '../config/parts.js';
import { KeyError } from '../jwt/key-error.js';
import { MigrateError, type MigrateErrorCode } from '../migrate/errors.js';
import { DataDirectoryError, EmbeddedError, type DataDirectoryCode } from '../store/embedded-errors.js';
import { RevokeError } from '../revoke/errors.js';
import { SessionsError } from '../sessions/errors.js';
import { SchemaError } from '../store/errors.js';
import { UrlError } from '../store/database-url-text.js';
import { databaseTarget } from './database-target.js';
import { connectError } from './connect-errors.js';
import { statementError } from './statement-errors.js';

/** What each refusal of a room ends a command with (contract: exit codes). */
export const MIGRATE_EXIT_CODES: Readonly<Record<MigrateErrorCode, FailureExitCode>> = {
  MIGRATION_FILE: 2,
  UNKNOWN_MIGRATION: 2,
  TABLES_MISSING: 4,
  POOLER: 4,
  SERVER_UNFIT: 4,
  LOCK_HELD: 5,
  LOCK_LOST: 1,
  UNSAFE: 6,
  CONTENDED: 1,
  GAVE_UP: 1,
  INTERRUPTED: 130,
  MIGRATION_FAILED: 1,
  CONNECTION_LOST: 4,
};
export const CLEANUP_EXIT_CODES: Readonly<Record<CleanupErrorCode, FailureExitCode>> = {
  TABLES_MISSING: 4,
  NOT_MIGRATED: 4,
  CONNECTION_LOST: 4,
  LEASE_HELD: 5,
  LEASE_LOST: 5,
  REFERENCED: 6,
  UNSAFE: 6,
  INTERRUPTED: 130,
  CONTENDED: 1,
  REFUSED: 1,
};
export const REVOKE_EXIT_CODES: Readonly<Record<RevokeError['code'], FailureExitCode>> = {
  TOKEN_NOT_FOUND: 1,
  USER_NOT_FOUND: 1,
  DEAD_LETTER: 1,
  CHAIN_KEY_UNFIT: 1,
  SESSION_LOST: 1,
  CONNECTION_LOST: 4,
  CONTENDED: 1,
  USER_ID_UNFIT: 2,
  REASON_UNFIT: 2,
  MOMENT_AHEAD: 2,
  TOKEN_UNFIT: 2,
};
export const SESSIONS_EXIT_CODES: Readonly<Record<SessionsError['code'], FailureExitCode>> = {
  USER_NOT_FOUND: 1,
  USER_ID_UNFIT: 2,
};
export const DATA_DIRECTORY_EXIT_CODES: Readonly<Record<DataDirectoryCode, FailureExitCode>> = {
  DATA_DIRECTORY_IN_USE: 5,
  DATA_DIRECTORY_UNUSABLE: 2,
  DATABASE_NOT_NAMED: 2,
  DATA_LOST: 6,
};

/** Errors of the rooms, as what a command ends with. What is not expected stays as it is: it is a bug. */
export function toCommandError(error: unknown, database: DatabaseSettings): unknown {
  const ended = (
    exitCode: FailureExitCode,
    { code, message }: { code: string; message: string },
  ): CommandError => new CommandError(code, exitCode, message, { cause: error });
  if (error instanceof UrlError)
    return ended(2, { code: 'CONFIG_INVALID', message: `--database-url: ${error.message}.` });
  if (error instanceof KeyError) return ended(2, error);
  if (error instanceof SchemaError || error instanceof EmbeddedError) return ended(4, error);
  if (error instanceof DataDirectoryError) return ended(DATA_DIRECTORY_EXIT_CODES[error.code], error);
  if (error instanceof CleanupError) return ended(CLEANUP_EXIT_CODES[error.code], error);
  if (error instanceof RevokeError) return ended(REVOKE_EXIT_CODES[error.code], error);
  if (error instanceof SessionsError) return ended(SESSIONS_EXIT_CODES[error.code], error);
  if (error instanceof MigrateError) return ended(MIGRATE_EXIT_CODES[error.code], error);
  if (database.kind === 'url') {
    const told = connectError(error, databaseTarget(database));
    if (told !== undefined) return ended(4, told);
  }
  const refused = statementError(error, database.kind === 'url' ? databaseTarget(database).user : undefined);
  return refused === undefined ? error : ended(refused.exitCode, refused);
}
