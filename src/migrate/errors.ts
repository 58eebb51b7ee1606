export type MigrateErrorCode =
  /** A migration file can't be read as one. */
  | 'MIGRATION_FILE'
  /** simplejwt's tables aren't there, or only one of the two. */
  | 'TABLES_MISSING'
  /** Another runner holds the lock. */
  | 'LOCK_HELD'
  /** The lock was lost while it was needed: the session behind this connection is another one now. */
  | 'LOCK_LOST'
  /** A lock on a table could not be had in the time given, however often it was tried. */
  | 'CONTENDED';

/** What ends a migration, in a sentence that says what to do. Never holds row values. */
export class MigrateError extends Error {
  override readonly name = 'MigrateError';
  readonly code: MigrateErrorCode;

  constructor(code: MigrateErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
