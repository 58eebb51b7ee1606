import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import type { AsymmetricAlgorithm } from './asymmetric-keys.js';
import type { Keyring } from './keyring.js';

/**
 * The public keys for those who verify tokens (RFC 7517). A `kid` is the one that the key's JWK had, which is in the headers
 * of tokens, or else its thumbprint (RFC 7638).
 */
export async function publicJwks(
  { verifying }: Pick<Keyring, 'verifying'>,
  algorithm: AsymmetricAlgorithm,
): Promise<readonly JWK[]> {
  return Promise.all(
    verifying.map(async ({ key, kid }) => {
      const jwk = await exportJWK(key);
      return { ...jwk, kid: kid ?? (await calculateJwkThumbprint(jwk)), alg: algorithm, use: 'sig' };
    }),
  );
}
