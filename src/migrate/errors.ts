export type MigrateErrorCode =
  /** A migration file can't be read as one. */
  | 'MIGRATION_FILE'
  /** A name that no migration has. */
  | 'UNKNOWN_MIGRATION'
  /** simplejwt's tables aren't there, or only one of the two, or aren't what simplejwt makes. */
  | 'TABLES_MISSING'
  /** The connection is not one session: a pooler in transaction mode. */
  | 'POOLER'
  /** The server's version is too old, or builds damaged indexes; or it is a standby. */
  | 'SERVER_UNFIT'
  /** Another runner holds the lock. */
  | 'LOCK_HELD'
  /** The lock was lost while it was needed: the session behind this connection is another one now. */
  | 'LOCK_LOST'
  /** Something that must not be touched is in the way, or a right is missing. The step changed nothing. */
  | 'UNSAFE'
  /** A lock on a table could not be had in the time given, however often it was tried. */
  | 'CONTENDED'
  /** --max-wait is over: others stood in the way for longer than that. */
  | 'GAVE_UP'
  /** PostgreSQL refused a statement: a full disk, for one. */
  | 'MIGRATION_FAILED'
  /** The connection broke. What was finished is kept; what was half done is recognised by the next run. */
  | 'CONNECTION_LOST'
  /** The caller's signal. */
  | 'INTERRUPTED';

/** What ends a migration, in a sentence that says what to do. Never holds row values. */
export class MigrateError extends Error {
  override readonly name = 'MigrateError';
  readonly code: MigrateErrorCode;

  constructor(code: MigrateErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
