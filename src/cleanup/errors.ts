export type CleanupErrorCode =
  /** simplejwt's tables are something else than tables. */
  | 'TABLES_MISSING'
  /** `migrate` has not run, or not this version's: no lease table, or no index on expires_at. */
  | 'NOT_MIGRATED'
  /** Another runner holds the lease. */
  | 'LEASE_HELD'
  /** This runner was too slow to renew its lease, and another one has it now. */
  | 'LEASE_LOST'
  /** Other tables refer to the token tables: what is to become of their rows is not ours to say. */
  | 'REFERENCED'
  /** A batch would have removed what must stay. It was rolled back. */
  | 'UNSAFE'
  /** The caller's signal, before the first batch. */
  | 'INTERRUPTED'
  /** Row after row was locked by others. */
  | 'CONTENDED'
  /** PostgreSQL refused a statement: a missing right, a full disk, a standby. */
  | 'REFUSED'
  /** The connection broke. What was committed is kept. */
  | 'CONNECTION_LOST';

/** What ends a cleanup, in a sentence that says what to do. Never holds row values. */
export class CleanupError extends Error {
  override readonly name = 'CleanupError';
  readonly code: CleanupErrorCode;

  constructor(code: CleanupErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** So many rows could not be had, one after the other: then it isn't about rows. */
export function rowAfterRow(rows: number, reason: string, byTrigger: boolean): CleanupError {
  return byTrigger
    ? new CleanupError(
        'REFUSED',
        `${rows} rows one after the other could not be removed: ${reason}. Let it allow the removal of expired tokens, or ` +
          'disable the trigger. What was finished is kept.',
      )
    : new CleanupError(
        'CONTENDED',
        `${rows} rows one after the other could not be had (${reason}). Is there a lock on the whole ` +
          'table? What was finished is kept; run it again later.',
      );
}
