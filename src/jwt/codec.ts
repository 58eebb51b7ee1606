/**
 * A token codec: the one thing the rest of the program knows of JWTs.
 *
 * Verifying covers what PyJWT covers for simplejwt: signature with a pinned algorithm, `exp`, `nbf`, `iat`
 * not in the future, `aud` and `iss` where configured. Token types, ids and blacklists are the business of
 * whoever calls.
 */
export interface TokenCodec {
  /**
   * Verifies a compact JWS. Synchronous for HS*, a promise for asymmetric algorithms: `await` either.
   *
   * @param nowUs microseconds since the epoch, by the database's clock
   */
  verify(token: string, nowUs: number): Verdict | Promise<Verdict>;

  /** Signs claims, adding `aud` and `iss` where they are configured, and returns a compact JWS. */
  sign(claims: Claims): string | Promise<string>;

  /** How long a signature that is asked for now would wait for others (ms). Without it: not at all, as with HS*. */
  readonly waitMs?: () => number;

  /** Reads the text of a JSON object as a payload is read; undefined where it is none. */
  parse(text: string): Claims | undefined;
}

/**
 * A JWT's payload. Key order is kept. A number that JavaScript cannot hold exactly (a bigint user id, `1.0`)
 * is a `LosslessNumber`, so that rotating a token writes it back as it was.
 */
export type Claims = Readonly<Record<string, unknown>>;

export type Verdict =
  | { readonly ok: true; readonly claims: Claims }
  | { readonly ok: false; readonly reason: 'invalid' | 'expired' | 'no_exp' };

export const ALGORITHMS = [
  'HS256', 'HS384', 'HS512',
  'RS256', 'RS384', 'RS512',
  'PS256', 'PS384', 'PS512',
  'ES256', 'ES384', 'ES512',
  'EdDSA',
] as const; // prettier-ignore

export type Algorithm = (typeof ALGORITHMS)[number];

export interface CodecOptions {
  readonly algorithm: Algorithm;
  /** Text of the signing key: the secret itself for HS*, else a PKCS#8 PEM (or a JWK). */
  readonly signingKey: string;
  /** More keys that are accepted: secrets for HS*, else PEM public keys, certificates, JWK or JWKS documents. */
  readonly verifyingKeys: readonly string[];
  readonly audience: readonly string[];
  readonly issuer: string | undefined;
  readonly leewaySeconds: number;
  /** A longer token is refused unread; undefined: 8192. */
  readonly maxTokenBytes?: number | undefined;
}
