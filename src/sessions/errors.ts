/** Why the sessions of a user can't be told, in a sentence that says what to do. */
export class SessionsError extends Error {
  override readonly name = 'SessionsError';
  readonly code: 'USER_NOT_FOUND' | 'USER_ID_UNFIT';

  constructor(code: SessionsError['code'], message: string) {
    super(message);
    this.code = code;
  }
}
