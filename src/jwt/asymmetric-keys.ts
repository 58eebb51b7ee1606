import type { KeyObject } from 'node:crypto';
import type { Algorithm } from './codec.js';
import type { HmacAlgorithm } from './hmac.js';
import { KeyError } from './key-error.js';
import type { JsonObject } from './key-text.js';

/** What the readers of private and of public keys share: which key fits which algorithm, and how they complain. */

export type AsymmetricAlgorithm = Exclude<Algorithm, HmacAlgorithm>;

/** A key as node:crypto holds it, and its JWK's `kid`. */
export interface ReadKey {
  readonly key: KeyObject;
  readonly kid: string | undefined;
}

/** RFC 7518, 3.3. jose refuses smaller ones as well, but only at the first token. */
const MIN_RSA_BITS = 2048;

/** What OpenSSL and RFC 7518, 3.4 call the curves. */
const CURVES: Partial<Record<Algorithm, { readonly openssl: string; readonly jwk: string }>> = {
  ES256: { openssl: 'prime256v1', jwk: 'P-256' },
  ES384: { openssl: 'secp384r1', jwk: 'P-384' },
  ES512: { openssl: 'secp521r1', jwk: 'P-521' },
};

/** @throws {KeyError} where a key is for another algorithm, or too small */
export function assertFits(key: KeyObject, algorithm: AsymmetricAlgorithm, what: string): void {
  const type = key.asymmetricKeyType ?? 'unknown';
  const { modulusLength = 0, namedCurve = 'of no name' } = key.asymmetricKeyDetails ?? {};
  const found = type === 'ec' ? `ec ${namedCurve}` : type;
  const wanted = wantedType(algorithm);
  if (found !== wanted) {
    throw new KeyError(
      'KEY_WRONG_TYPE',
      `The ${what} is of type ${found}, and ${algorithm} takes ${wanted}. Give such a key, or choose the algorithm that fits.`,
    );
  }
  if (type === 'rsa' && modulusLength < MIN_RSA_BITS) {
    throw new KeyError(
      'KEY_TOO_SMALL',
      `The ${what} is an RSA key of ${modulusLength} bits; at least ${MIN_RSA_BITS} are needed. Make a new one.`,
    );
  }
}

function wantedType(algorithm: AsymmetricAlgorithm): string {
  if (algorithm === 'EdDSA') return 'ed25519';
  const curve = CURVES[algorithm];
  return curve === undefined ? 'rsa' : `ec ${curve.openssl}`;
}

/** Whether a JWK says of itself that it is for this algorithm: by type and curve, `use`, `alg` and `key_ops`. */
export function jwkIsFor(jwk: JsonObject, algorithm: AsymmetricAlgorithm): boolean {
  const { kty, crv, use, alg, key_ops: operations } = jwk;
  const curve = algorithm === 'EdDSA' ? 'Ed25519' : CURVES[algorithm]?.jwk;
  const wantedKty = algorithm === 'EdDSA' ? 'OKP' : curve === undefined ? 'RSA' : 'EC';
  if (kty !== wantedKty || (curve !== undefined && crv !== curve)) return false;
  if (use !== undefined && use !== 'sig') return false;
  // RFC 9864 renamed EdDSA over this curve to Ed25519.
  if (alg !== undefined && alg !== algorithm && !(algorithm === 'EdDSA' && alg === 'Ed25519')) return false;
  return !Array.isArray(operations) || operations.includes('verify') || operations.includes('sign');
}

export function kidOf(jwk: JsonObject): string | undefined {
  const kid = jwk['kid'];
  return typeof kid === 'string' ? kid : undefined;
}

/** Runs one of node:crypto's readers, whose own errors help nobody and may quote. @throws {KeyError} */
export function readingKey(what: string, read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch {
    throw damagedKey(what);
  }
}

export function damagedKey(what: string): KeyError {
  return new KeyError(
    'KEY_UNREADABLE',
    `The ${what} is damaged, or its parts don't belong together. Copy it again, whole.`,
  );
}

export function missingKey(what: string, algorithm: AsymmetricAlgorithm): KeyError {
  return new KeyError(
    'KEY_MISSING',
    `The ${what} is empty. ${algorithm} needs a key: a PEM document or a JWK.`,
  );
}

export function unreadableKey(what: string, bareDer = false): KeyError {
  return new KeyError(
    'KEY_UNREADABLE',
    bareDer
      ? `The ${what} lacks its first and last line. Give the whole PEM, from -----BEGIN to -----END.`
      : `The ${what} is neither a PEM document (-----BEGIN ...) nor a JWK ({"kty": ...}). Give one of these.`,
  );
}

export function encryptedKey(what: string): KeyError {
  return new KeyError(
    'KEY_UNREADABLE',
    `The ${what} is encrypted. Decrypt it first: openssl pkey -in key.pem -out plain.pem`,
  );
}
