import { createPrivateKey, hkdfSync } from 'node:crypto';
import type { Algorithm } from './codec.js';
import { isHmac } from './hmac.js';
import { readSigningKey } from './private-key.js';
import { secretBytes } from './secrets.js';

/** Changing this changes every successor: all families would fork. */
const INFO = 'carelink-tokens chain key v1';
const CHAIN_KEY_BYTES = 32;

/**
 * The chain key that follows from a signing key, where none is pinned: HKDF-SHA256 (RFC 5869) of the key in
 * canonical form. That is the text's bytes for a secret and PKCS#8 DER for a private key, so that PKCS#1, PKCS#8,
 * JWK, and any line ends of one key give one chain key.
 *
 * @throws {KeyError} as `createCodec` does
 */
export function chainKeyFrom(signingKey: string, algorithm: Algorithm): Buffer {
  const canonical = isHmac(algorithm)
    ? secretBytes(signingKey, algorithm)
    : canonicalPkcs8(readSigningKey(signingKey, algorithm).key);
  return Buffer.from(hkdfSync('sha256', canonical, '', INFO, CHAIN_KEY_BYTES));
}

/**
 * By way of a JWK, for PKCS#8 alone is not canonical: an EC key may come with or without its public point, and
 * OpenSSL writes it out as it came.
 */
function canonicalPkcs8(key: ReturnType<typeof createPrivateKey>): Buffer {
  const plain = createPrivateKey({ key: key.export({ format: 'jwk' }), format: 'jwk' });
  return plain.export({ type: 'pkcs8', format: 'der' });
}
