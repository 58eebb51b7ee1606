export type TokenErrorCode =
  /** Nobody is signed in here, or the session ended, or became another one's, while the call waited. */
  | 'SIGNED_OUT'
  /** The server could not be reached, or put us off, for as long as a call may wait. Still signed in: try again. */
  | 'UNAVAILABLE'
  /** The refresh endpoint gave an answer that repeating won't mend, such as 404: a mistake in the set-up. */
  | 'REFRESH_FAILED'
  /** More calls wait for a refresh than `maxQueue` allows. */
  | 'QUEUE_FULL'
  /** The request's origin is not among `allowedOrigins`: it was not sent. */
  | 'ORIGIN_NOT_ALLOWED'
  /** The manager was disposed of. */
  | 'DISPOSED';

/** What the manager's promises reject with, save for `AbortError` and what `fetch` itself throws. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
  declare readonly code: TokenErrorCode;

  /** Every byte of a sentence is loaded by every page: docs/browser-client.md tells what to do about each code. */
  constructor(code: TokenErrorCode, detail: string | number = '') {
    super(`${code} ${detail}`);
    this.code = code;
  }
}

export const signedOut = (): TokenError => new TokenError('SIGNED_OUT');
