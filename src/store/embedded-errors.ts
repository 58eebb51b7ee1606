export type DataDirectoryCode =
  /** Another process has it. */
  | 'DATA_DIRECTORY_IN_USE'
  /** Not a directory, not ours, not writable. */
  | 'DATA_DIRECTORY_UNUSABLE'
  /** The command works on a database that exists, and none was named or found. */
  | 'DATABASE_NOT_NAMED'
  /** The database of the directory, or the mark that says it is whole, is missing. */
  | 'DATA_LOST';

/** The data directory can't be had; the message says what to do. */
export class DataDirectoryError extends Error {
  override readonly name = 'DataDirectoryError';
  readonly code: DataDirectoryCode;

  constructor(code: DataDirectoryCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The embedded PostgreSQL didn't start, or ended by itself. */
export class EmbeddedError extends Error {
  override readonly name = 'EmbeddedError';
  readonly code = 'EMBEDDED_FAILED';
}
