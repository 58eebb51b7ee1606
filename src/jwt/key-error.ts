export type KeyErrorCode =
  /** There is no key. */
  | 'KEY_MISSING'
  /** Neither PEM nor JWK, damaged, or encrypted. */
  | 'KEY_UNREADABLE'
  /** A fine key, but not for this algorithm. */
  | 'KEY_WRONG_TYPE'
  /** An RSA key under 2048 bits. */
  | 'KEY_TOO_SMALL'
  /** The signing key is a public key. */
  | 'KEY_NOT_PRIVATE'
  /** A PEM, JWK or SSH key where a secret is due. */
  | 'KEY_NOT_A_SECRET';

/**
 * A key that can't be used, and what to do about it.
 *
 * Never holds key material, so it has no `cause`: a JSON.parse error quotes the text it stumbled over.
 */
export class KeyError extends Error {
  override readonly name = 'KeyError';
  readonly code: KeyErrorCode;

  constructor(code: KeyErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
