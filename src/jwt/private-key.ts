import { createPrivateKey, type KeyObject } from 'node:crypto';
import {
  assertFits,
  encryptedKey,
  jwkIsFor,
  kidOf,
  missingKey,
  readingKey,
  unreadableKey,
  type AsymmetricAlgorithm,
  type ReadKey,
} from './asymmetric-keys.js';
import { KeyError } from './key-error.js';
import { readKeyText, type JsonObject, type KeyText, type PemBlock } from './key-text.js';

/**
 * Reads the private key that signs: a PEM document (PKCS#8, PKCS#1, SEC1) or a JWK. It fits the algorithm.
 *
 * @throws {KeyError}
 */
export function readSigningKey(text: string, algorithm: AsymmetricAlgorithm): ReadKey {
  const what = 'signing key';
  if (text.trim() === '') throw missingKey(what, algorithm);
  const read = readKeyText(text);
  const signing =
    read.form === 'json'
      ? fromJwk(read.document, algorithm, what)
      : { key: fromPemDocument(read, what), kid: undefined };
  assertFits(signing.key, algorithm, what);
  return signing;
}

function fromJwk(jwk: JsonObject, algorithm: AsymmetricAlgorithm, what: string): ReadKey {
  if (Array.isArray(jwk['keys'])) {
    throw new KeyError(
      'KEY_UNREADABLE',
      `The ${what} is a JWKS document. Give the one private JWK of it that signs.`,
    );
  }
  if (typeof jwk['kty'] !== 'string') throw unreadableKey(what);
  if (!jwkIsFor(jwk, algorithm)) {
    throw new KeyError(
      'KEY_WRONG_TYPE',
      `The ${what} is a JWK that isn't for ${algorithm}, by its kty, crv, use, alg or key_ops. Give one that is.`,
    );
  }
  if (jwk['d'] === undefined) throw notPrivate(what, 'a public JWK');
  return { key: readingKey(what, () => createPrivateKey({ key: jwk, format: 'jwk' })), kid: kidOf(jwk) };
}

function fromPemDocument(read: Exclude<KeyText, { form: 'json' }>, what: string): KeyObject {
  const [block, ...more] = read.form === 'pem' ? read.blocks : [];
  if (block === undefined) throw unreadableKey(what, read.form === 'der');
  if (more.length > 0) {
    throw new KeyError('KEY_UNREADABLE', `The ${what} has several PEM blocks. Give the private key alone.`);
  }
  if (!isPrivate(block)) throw notPrivate(what, `a ${block.label}`);
  return privateKeyOfBlock(block, what);
}

export function isPrivate(block: PemBlock): boolean {
  return block.label.endsWith('PRIVATE KEY');
}

/** @throws {KeyError} */
export function privateKeyOfBlock(block: PemBlock, what: string): KeyObject {
  if (block.encrypted) throw encryptedKey(what);
  return readingKey(what, () => createPrivateKey(block.pem));
}

function notPrivate(what: string, found: string): KeyError {
  return new KeyError('KEY_NOT_PRIVATE', `The ${what} is ${found}, which can't sign. Give the private key.`);
}
