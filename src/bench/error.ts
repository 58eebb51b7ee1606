/** Why a run could not be made. The message says what to do. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
  readonly code: BenchErrorCode;

  constructor(code: BenchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export type BenchErrorCode =
  | 'TARGET_UNREACHABLE'
  | 'TARGET_LOST'
  | 'TARGET_REFUSES'
  | 'TARGET_FAILS'
  | 'TOKENS_REFUSED'
  | 'NOT_A_REFRESH_ENDPOINT'
  | 'ADMIN_UNREACHABLE'
  | 'OPEN_FILES'
  | 'SERVER_NOT_STARTED';
