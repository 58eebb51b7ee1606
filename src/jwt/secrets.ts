import { createSecretKey, type KeyObject } from 'node:crypto';
import type { HmacAlgorithm } from './hmac.js';
import { KeyError } from './key-error.js';
import { isJwkDocument, readKeyText } from './key-text.js';

/** RFC 7518, 3.2: a key of at least the hash's size. */
const WANTED_BYTES = { HS256: 32, HS384: 48, HS512: 64 } as const satisfies Record<HmacAlgorithm, number>;

export interface Secrets {
  /** The signing secret first; none twice. */
  readonly secrets: readonly [KeyObject, ...KeyObject[]];
  readonly warnings: readonly string[];
}

/** @throws {KeyError} for an empty text, or one that is a key of another kind */
export function importSecrets(
  algorithm: HmacAlgorithm,
  signingKey: string,
  verifyingKeys: readonly string[],
): Secrets {
  const warnings: string[] = [];
  const others = verifyingKeys.map((text, index) => ({ text, what: `verifying key ${index + 1}` }));
  const [signing, ...verifying] = [{ text: signingKey, what: 'signing key' }, ...others].map(
    ({ text, what }) => {
      const bytes = secretBytes(text, algorithm, what);
      warnings.push(...weaknesses(text, bytes, algorithm, what));
      return createSecretKey(bytes);
    },
  );
  if (signing === undefined) throw new TypeError('There is always a signing key.');
  const distinct = verifying.filter(
    (key, at) => ![signing, ...verifying.slice(0, at)].some((k) => k.equals(key)),
  );
  return { secrets: [signing, ...distinct], warnings };
}

/**
 * The bytes of an HS* secret: its text, untrimmed, in UTF-8, as Django uses SECRET_KEY.
 *
 * A public key is public: were its text a secret, everybody could sign. So what is plainly a key of another kind
 * is refused, as PyJWT does.
 *
 * @throws {KeyError}
 */
export function secretBytes(text: string, algorithm: HmacAlgorithm, what = 'signing key'): Buffer {
  if (text.trim() === '') {
    throw new KeyError(
      'KEY_MISSING',
      `The ${what} is empty. ${algorithm} needs a secret: Django's SECRET_KEY or SIGNING_KEY.`,
    );
  }
  const read = readKeyText(text);
  const kind = {
    pem: 'a PEM document',
    json: read.form === 'json' && isJwkDocument(read.document) ? 'a JWK or JWKS document' : undefined,
    ssh: 'an SSH key',
    der: 'a DER key in base64',
    other: undefined,
  }[read.form];
  if (kind !== undefined) {
    throw new KeyError(
      'KEY_NOT_A_SECRET',
      `The ${what} is ${kind}, and ${algorithm} takes a secret: choose the key's own algorithm (RS256, ES256, EdDSA, ...), or give the secret.`,
    );
  }
  return Buffer.from(text, 'utf8');
}

function weaknesses(text: string, bytes: Buffer, algorithm: HmacAlgorithm, what: string): string[] {
  const found: string[] = [];
  const wanted = WANTED_BYTES[algorithm];
  if (bytes.length < wanted) {
    found.push(
      `The ${what} has ${bytes.length} bytes; ${algorithm} wants at least ${wanted} (RFC 7518, 3.2). Shorter ones can be guessed: change it when you can.`,
    );
  }
  if (text !== text.trim()) {
    found.push(
      `The ${what} begins or ends with white space, which is part of the secret. If Django's doesn't, no token will verify.`,
    );
  }
  return found;
}
