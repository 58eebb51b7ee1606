/** The connection could not be had: nothing was sent, so nothing is in doubt. */
export class NotConnectedError extends Error {
  override readonly name = 'NotConnectedError';
  readonly code = 'NOT_CONNECTED';
  /** The one of several that it is about. */
  readonly host: { readonly host: string; readonly port: number } | undefined;

  constructor(message: string, options: ErrorOptions = {}, host?: NotConnectedError['host']) {
    super(message, options);
    this.host = host;
  }
}

/** As many statements as there may be connections were given up, and their backends still run: no more are opened. */
export class BackendsInDoubtError extends Error {
  override readonly name = 'BackendsInDoubtError';
  readonly code = 'BACKENDS_IN_DOUBT';
}

/**
 * The server said that a statement is done, and that nobody waited for the synchronous standby any more (rule 37): it
 * stands on this server, and a failover may undo it.
 */
export class UncertainCommitError extends Error {
  override readonly name = 'UncertainCommitError';
  readonly code = 'COMMIT_UNCERTAIN';
}

/**
 * The server cancelled a statement that asks the site's view of users, and rolled it back. It is one of its rows that took
 * so long, or all of them: asked one by one it is found out.
 */
export class SlowViewError extends Error {
  override readonly name = 'SlowViewError';
  readonly code = 'VIEW_TOO_SLOW';
}

/** The database is reachable but is not what this program needs; the message says what to run. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
  readonly code:
    | 'TABLES_MISSING'
    | 'CARELINK_SCHEMA_MISSING'
    /** They are said not to be there (`--token-tables none`). */
    | 'TABLES_THERE'
    | 'COLUMNS_MISSING'
    /** Who is active can't be read: no user table, no column, or not one of a kind that says so. */
    | 'USER_TABLE_MISSING'
    /** The database can't compute the hash that passwords are compared by. */
    | 'HASH_UNAVAILABLE'
    | 'GRANTS_MISSING'
    /** The connection leads to another Django schema than the one that carelink belongs to. */
    | 'OTHER_SCHEMA'
    /** Row-level security hides rows from this role. */
    | 'ROWS_HIDDEN';

  constructor(code: SchemaError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** What a failed statement means for those whose work it carried. */
export type Failure =
  /** Nothing was sent. */
  | { readonly kind: 'not_sent' }
  /** Sent, and the answer never came: it may stand or not. */
  | { readonly kind: 'in_doubt' }
  /** The server can't at the moment: rolled back; another connection later may do. */
  | { readonly kind: 'server_down' }
  /** Rolled back because of somebody else's locks. */
  | { readonly kind: 'contended' }
  /** Rolled back: the id that a sequence gave is taken. The sequence is behind its table; each try moves it on by one. */
  | { readonly kind: 'id_taken'; readonly error: unknown }
  /** Rolled back: a row that was referred to is gone. */
  | { readonly kind: 'reference_gone'; readonly column: string; readonly value: string }
  /** Rolled back: a table, a column or a right is missing. It is no item's fault, and may be mended while we run. */
  | { readonly kind: 'unfit'; readonly error: unknown }
  /** Rolled back: one of the rows can't be written, or a bug. */
  | { readonly kind: 'refused'; readonly error: unknown };

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const CONTENDED = new Set([
  '55P03', // lock_not_available: lock_timeout
  '40P01', // deadlock_detected
  '40001', // serialization_failure
]);

const SERVER_DOWN_CLASSES = new Set([
  '53', // insufficient resources: disk full, out of memory, too many connections
  '57', // operator intervention: statement_timeout, a cancelled statement
  '58', // system errors: I/O
]);

/**
 * Connection exceptions. A server doesn't refuse a statement with these: a pooler says so (PgBouncer: 08P01) when it
 * lost the server's connection under a statement that was sent.
 */
const CONNECTION_EXCEPTION_CLASS = '08';

/** These end a session at any moment: also between the commit and the message that would have told of it. */
const SESSION_ENDED = new Set([
  '57P01', // admin_shutdown, pg_terminate_backend
  '57P02', // crash_shutdown
  '57P04', // database_dropped
  '57P05', // idle_session_timeout
]);

/** What the database lacks. */
const UNFIT = new Map([
  ['42P01', 'table'], // undefined_table
  ['3F000', 'table'], // invalid_schema_name
  ['42703', 'column'], // undefined_column
  ['42501', 'right'], // insufficient_privilege; also a row that row-level security refuses
] as const);

const STATEMENT_CANCELLED = '57014'; // statement_timeout
const FOREIGN_KEY_VIOLATION = '23503';
const UNIQUE_VIOLATION = '23505';
const INVALID_STATEMENT_NAME = '26000';
const FEATURE_NOT_SUPPORTED = '0A000';
const READ_ONLY_TRANSACTION = '25006'; // a standby, or a primary that was demoted under us

/** Reads SQLSTATE and fields of an error of `pg`. */
export function classify(error: unknown): Failure {
  if (error instanceof NotConnectedError) return { kind: 'not_sent' };
  if (error instanceof SlowViewError) return { kind: 'refused', error };
  const sqlState = sqlStateOf(error);
  if (sqlState === undefined || SESSION_ENDED.has(sqlState)) return { kind: 'in_doubt' };
  if (sqlState.startsWith(CONNECTION_EXCEPTION_CLASS)) return { kind: 'in_doubt' };
  if (CONTENDED.has(sqlState)) return { kind: 'contended' };
  if (SERVER_DOWN_CLASSES.has(sqlState.slice(0, 2)) || sqlState === READ_ONLY_TRANSACTION) {
    return { kind: 'server_down' };
  }
  if (lacks(error) !== undefined) return { kind: 'unfit', error };
  if (sqlState === FOREIGN_KEY_VIOLATION) {
    const key = /\((\w+)\)=\((.*)\)/.exec(detailOf(error));
    if (key?.[1] !== undefined && key[2] !== undefined) {
      return { kind: 'reference_gone', column: key[1], value: key[2] };
    }
  }
  // Tokens that are there already are no error (ON CONFLICT), so this is about the row's own id.
  if (sqlState === UNIQUE_VIOLATION && isOfTheId(error)) return { kind: 'id_taken', error };
  return { kind: 'refused', error };
}

function isOfTheId(error: unknown): boolean {
  const constraint = error instanceof Error && 'constraint' in error ? String(error.constraint) : '';
  return /\(id\)=\(/.test(detailOf(error)) || constraint.endsWith('_pkey');
}

/** Classes of errors that are about a value of one row; 23: a constraint, P0: raised by somebody's trigger. */
const OF_THE_ROW = new Set(['22', '23', 'P0']);

/**
 * Whether a statement with one row in it was refused because of that row, and will be again. Not so where a table, a
 * column or a grant is missing: then all are refused, until somebody mends it.
 */
export function isOfTheRow(error: unknown): boolean {
  return OF_THE_ROW.has(sqlStateOf(error)?.slice(0, 2) ?? '');
}

/**
 * The connection's prepared statement is no longer what it was: the tables were altered under it, or somebody
 * (a pooler, DISCARD ALL) dropped it. Nothing was run, and on this connection nothing will.
 */
export function isStaleStatement(error: unknown): boolean {
  const sqlState = sqlStateOf(error);
  if (sqlState === INVALID_STATEMENT_NAME) return true;
  // "cached plan must not change result type": its text is translated, and its SQLSTATE is that of many others.
  return (
    sqlState === FEATURE_NOT_SUPPORTED &&
    error instanceof Error &&
    'routine' in error &&
    error.routine === 'RevalidateCachedQuery'
  );
}

/** Nobody refused anything: a connection or an answer didn't come in its time. */
export function isTooSlow(error: unknown): boolean {
  const told = error instanceof NotConnectedError ? error.cause : error;
  if (sqlStateOf(told) !== undefined) return sqlStateOf(told) === STATEMENT_CANCELLED;
  // `pg` says it in words, and in no code.
  return told instanceof Error && !('code' in told) && /time-?out/i.test(told.message);
}

/** The statement was sent, and its answer didn't come in time: its backend may run it still, for as long as it takes. */
export function isGivenUp(error: unknown): boolean {
  return !(error instanceof NotConnectedError) && sqlStateOf(error) === undefined && isTooSlow(error);
}

/** A warning of the server's that the transaction it has just committed may not be on the synchronous standby. */
export function isCancelledWait(notice: unknown): boolean {
  // Its text is translated, and its SQLSTATE is that of every warning.
  return (
    typeof notice === 'object' &&
    notice !== null &&
    'routine' in notice &&
    notice.routine === 'SyncRepWaitForLSN'
  );
}

/** What is wrong with the database for everybody, in /readyz's words. */
export type Trouble =
  'read only' | 'disk full' | 'stalled' | 'starting' | 'too many connections' | 'unreachable';

/** SQLSTATEs that say so, whichever statement met them. */
const TROUBLES: Readonly<Record<string, Trouble>> = {
  [READ_ONLY_TRANSACTION]: 'read only',
  '53100': 'disk full',
  [STATEMENT_CANCELLED]: 'stalled',
  '57P03': 'starting', // cannot_connect_now
  '53300': 'too many connections',
};

/** What an error of a write says of the database as a whole; undefined where it is about this statement alone. */
export function troubleOf(error: unknown): Trouble | undefined {
  const told = error instanceof NotConnectedError ? error.cause : error;
  if (told instanceof BackendsInDoubtError || told instanceof UncertainCommitError) return 'stalled';
  const sqlState = sqlStateOf(told);
  if (sqlState !== undefined && sqlState in TROUBLES) return TROUBLES[sqlState];
  if (isGivenUp(error)) return 'stalled';
  // A pool that is busy says the same as a server that doesn't answer: whoever reads it will know.
  if (error instanceof NotConnectedError) return isTooSlow(error) ? undefined : 'unreachable';
  return undefined;
}

/** Whether the connection can be used again after this error: only where the server refused and is in step. */
export function leavesConnectionUsable(error: unknown): boolean {
  const { kind } = classify(error);
  if (isStaleStatement(error)) return false;
  return (
    kind === 'contended' ||
    kind === 'reference_gone' ||
    kind === 'id_taken' ||
    kind === 'unfit' ||
    kind === 'refused'
  );
}

/** A SQLSTATE is five characters of the server's; Node's own codes (ECONNRESET) are no errors with a severity. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('severity' in error)) return undefined;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** The role lacks a right. https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function isPrivilegeMissing(error: unknown): boolean {
  return sqlStateOf(error) === '42501';
}

/**
 * Row-level security would hide rows from the statement, and the session has row_security off. Its SQLSTATE is that of
 * any missing right, and its text is translated.
 */
export function isRowSecurity(error: unknown): boolean {
  return (
    isPrivilegeMissing(error) &&
    error instanceof Error &&
    'routine' in error &&
    error.routine === 'check_enable_rls'
  );
}

/** What the server refused a statement for the lack of. */
export function lacks(error: unknown): 'table' | 'column' | 'right' | undefined {
  return UNFIT.get(sqlStateOf(error) as '42P01');
}

function detailOf(error: unknown): string {
  return error instanceof Error && 'detail' in error && typeof error.detail === 'string' ? error.detail : '';
}

/** The server cancelled the statement (statement_timeout): it is rolled back. */
export function isCancelledStatement(error: unknown): boolean {
  return sqlStateOf(error) === STATEMENT_CANCELLED;
}
