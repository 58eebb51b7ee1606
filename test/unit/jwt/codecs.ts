import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { ALGORITHMS, type Algorithm, type CodecOptions, type TokenCodec } from '../../../src/jwt/codec.js';
import { createCodec } from '../../../src/jwt/create-codec.js';

export const NOW_SECONDS = 1_700_000_000;
export const NOW_US = NOW_SECONDS * 1e6;

/** 64 bytes, enough for every HS*. */
export const SECRET = 'a-secret-for-tests-with-64-bytes-so-that-HS512-has-enough-of-it!';

/** A refresh token's claims as simplejwt orders them, good at `NOW_US`. */
export const CLAIMS = {
  token_type: 'refresh',
  exp: NOW_SECONDS + 3600,
  iat: NOW_SECONDS - 60,
  jti: '0123456789abcdef0123456789abcdef',
  user_id: 42,
};

export const ASYMMETRIC = ALGORITHMS.filter((algorithm) => !algorithm.startsWith('HS'));

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** A new pair of the type an algorithm takes. */
export function keyPairFor(algorithm: Algorithm): KeyPair {
  switch (algorithm) {
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'ES384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' });
    case 'ES512':
      return generateKeyPairSync('ec', { namedCurve: 'P-521' });
    case 'EdDSA':
      return generateKeyPairSync('ed25519');
    default:
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
  }
}

export function pkcs8(pair: KeyPair): string {
  return pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export function spki(pair: KeyPair): string {
  return pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

export function optionsFor(options: Partial<CodecOptions> = {}): CodecOptions {
  return {
    algorithm: 'HS256',
    signingKey: SECRET,
    verifyingKeys: [],
    audience: [],
    issuer: undefined,
    leewaySeconds: 0,
    ...options,
  };
}

export async function codecFor(options: Partial<CodecOptions> = {}): Promise<TokenCodec> {
  return (await createCodec(optionsFor(options))).codec;
}
