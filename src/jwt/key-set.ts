import type { JWK } from 'jose';
import { chainKeyFrom } from './chain-key.js';
import type { Algorithm, CodecOptions, TokenCodec } from './codec.js';
import { createCodec } from './create-codec.js';
import { isHmac } from './hmac.js';

/** The texts of all keys that a server works with. Never to be printed or logged. */
export interface Keys {
  readonly algorithm: Algorithm;
  readonly signingKey: string;
  readonly verifyingKeys: readonly string[];
  /** Newest first, at least one. */
  readonly chainKeys: readonly Buffer[];
}

/** The keys as they are configured: pinned chain keys, or none. */
export type ConfiguredKeys = Omit<Keys, 'signingKey'>;

/** Keys that are ready for use, and belong together. A request works with one of these from its beginning to its end. */
export interface KeySet {
  readonly codec: TokenCodec;
  /** None where keys are secrets. */
  readonly publicKeys: readonly JWK[];
  readonly chainKeys: readonly Buffer[];
}

/**
 * Adds the chain keys where none is pinned: those that follow from the signing key and, where they are secrets, from its
 * predecessors. Then the families that began under an old secret can still be followed.
 *
 * @throws {KeyError}
 */
export function withChainKeys(keys: ConfiguredKeys, signingKey: string): Keys {
  const { algorithm, verifyingKeys, chainKeys } = keys;
  if (chainKeys.length > 0) return { algorithm, signingKey, verifyingKeys, chainKeys };
  const secrets = isHmac(algorithm) ? [signingKey, ...verifyingKeys] : [signingKey];
  const derived = secrets.map((secret) => chainKeyFrom(secret, algorithm));
  return {
    algorithm,
    signingKey,
    verifyingKeys,
    chainKeys: derived.filter((key, at) => !isAmong(key, derived.slice(0, at))),
  };
}

/** @throws {KeyError} where a key is missing, unreadable, or doesn't fit the algorithm */
export async function importKeySet(
  keys: Keys,
  rules: Omit<CodecOptions, keyof Keys>,
): Promise<{ readonly keySet: KeySet; readonly warnings: readonly string[] }> {
  const { codec, publicKeys, warnings } = await createCodec({ ...rules, ...keys });
  return { keySet: Object.freeze({ codec, publicKeys, chainKeys: keys.chainKeys }), warnings };
}

export function isAmong(key: Buffer, keys: readonly Buffer[]): boolean {
  return keys.some((other) => other.equals(key));
}
