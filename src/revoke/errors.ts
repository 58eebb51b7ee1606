/** What ends a revocation, in a sentence that says what to do. */
export class RevokeError extends Error {
  override readonly name = 'RevokeError';
  readonly code:
    | 'TOKEN_NOT_FOUND'
    | 'USER_NOT_FOUND'
    | 'USER_ID_UNFIT'
    | 'REASON_UNFIT'
    | 'MOMENT_AHEAD'
    | 'TOKEN_UNFIT'
    | 'DEAD_LETTER'
    | 'CHAIN_KEY_UNFIT'
    | 'SESSION_LOST'
    | 'CONNECTION_LOST'
    | 'CONTENDED';

  constructor(code: RevokeError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
