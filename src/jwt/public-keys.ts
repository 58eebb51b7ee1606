import { createPublicKey } from 'node:crypto';
import {
  assertFits,
  jwkIsFor,
  kidOf,
  missingKey,
  readingKey,
  unreadableKey,
  type AsymmetricAlgorithm,
  type ReadKey,
} from './asymmetric-keys.js';
import { KeyError } from './key-error.js';
import { isJsonObject, isJwkDocument, readKeyText, type JsonObject, type PemBlock } from './key-text.js';
import { isPrivate, privateKeyOfBlock } from './private-key.js';

export interface ReadPublicKeys {
  readonly keys: readonly ReadKey[];
  readonly warnings: readonly string[];
}

/**
 * Reads the public keys in a text: PEM (SPKI or PKCS#1, one or several), one X.509 certificate, a JWK, or a JWKS,
 * of which the keys for other algorithms and for encryption are passed over. Every key returned fits the algorithm.
 *
 * @throws {KeyError}
 */
export function readVerifyingKeys(
  text: string,
  algorithm: AsymmetricAlgorithm,
  what: string,
): ReadPublicKeys {
  if (text.trim() === '') throw missingKey(what, algorithm);
  const read = readKeyText(text);
  if (read.form !== 'pem' && read.form !== 'json') throw unreadableKey(what, read.form === 'der');
  const found = read.form === 'pem' ? fromPem(read.blocks, what) : fromJson(read.document, algorithm, what);
  for (const { key } of found) assertFits(key, algorithm, what);
  const warnings = found.some((key) => key.wasPrivate)
    ? [
        `The ${what} is a private key, of which the public half is used. Whoever only verifies need not have it.`,
      ]
    : [];
  return { keys: found, warnings };
}

type FoundKey = ReadKey & { readonly wasPrivate: boolean };

function fromPem(blocks: readonly PemBlock[], what: string): FoundKey[] {
  if (blocks.length === 0) throw unreadableKey(what);
  if (blocks.filter((block) => block.label.endsWith('CERTIFICATE')).length > 1) {
    throw new KeyError(
      'KEY_UNREADABLE',
      `The ${what} is a chain of certificates. Give the first alone: its issuers' keys must not verify tokens.`,
    );
  }
  return blocks.map((block) => {
    const wasPrivate = isPrivate(block);
    const from = wasPrivate ? privateKeyOfBlock(block, what) : block.pem;
    return { key: readingKey(what, () => createPublicKey(from)), kid: undefined, wasPrivate };
  });
}

function fromJson(document: JsonObject, algorithm: AsymmetricAlgorithm, what: string): FoundKey[] {
  if (!isJwkDocument(document)) throw unreadableKey(what);
  const set: readonly unknown[] = Array.isArray(document['keys']) ? document['keys'] : [document];
  const jwks = set.filter(isJsonObject).filter((jwk) => jwkIsFor(jwk, algorithm));
  if (jwks.length === 0) {
    throw new KeyError(
      'KEY_WRONG_TYPE',
      `The ${what} holds no key for ${algorithm}, by its kty, crv, use, alg or key_ops. Give one that does.`,
    );
  }
  return jwks.map((jwk) => ({
    key: readingKey(what, () => createPublicKey({ key: jwk, format: 'jwk' })),
    kid: kidOf(jwk),
    wasPrivate: jwk['d'] !== undefined,
  }));
}
