import { createPublicKey, type KeyObject } from 'node:crypto';
import { importPKCS8, importSPKI, type CryptoKey } from 'jose';
import { damagedKey, type AsymmetricAlgorithm } from './asymmetric-keys.js';
import { readSigningKey } from './private-key.js';
import { readVerifyingKeys } from './public-keys.js';

/** A key that verifies, with the `kid` its JWK gave it. */
interface VerifyingKey {
  readonly key: CryptoKey;
  readonly kid: string | undefined;
}

/** The keys of an asymmetric algorithm, ready for jose. */
export interface Keyring {
  readonly signing: CryptoKey;
  /** Where the signing key is a JWK that has one: it goes in the header, so that who verifies by JWKS finds the key. */
  readonly signingKid: string | undefined;
  /** The signing key's own public key first; none twice. */
  readonly verifying: readonly VerifyingKey[];
  readonly warnings: readonly string[];
}

/**
 * Reads all keys of an asymmetric algorithm. The public key that belongs to the signing key always verifies.
 *
 * @throws {KeyError}
 */
export async function importKeyring(
  algorithm: AsymmetricAlgorithm,
  signingKey: string,
  verifyingKeys: readonly string[],
): Promise<Keyring> {
  const signing = readSigningKey(signingKey, algorithm);
  const read = verifyingKeys.map((text, at) => readVerifyingKeys(text, algorithm, `verifying key ${at + 1}`));
  const publicKeys = [
    { key: createPublicKey(signing.key), kid: signing.kid },
    ...read.flatMap(({ keys }) => keys),
  ];
  const distinct = publicKeys.filter(
    ({ key, kid }, at) =>
      !publicKeys.slice(0, at).some((other) => other.kid === kid && other.key.equals(key)),
  );
  return {
    signing: await ready('signing key', importPKCS8(pemFor(signing.key, 'pkcs8'), algorithm)),
    signingKid: signing.kid,
    verifying: await Promise.all(
      distinct.map(async ({ key, kid }) => ({
        key: await ready('verifying key', importSPKI(pemFor(key, 'spki'), algorithm)),
        kid,
      })),
    ),
    warnings: read.flatMap(({ warnings }) => warnings),
  };
}

/** WebCrypto looks closer than OpenSSL's readers: at whether the halves of an EC key belong together, say. */
async function ready(what: string, importing: Promise<CryptoKey>): Promise<CryptoKey> {
  try {
    return await importing;
  } catch {
    throw damagedKey(what);
  }
}

/** The one form that jose's importers take, whatever form the key came in. */
function pemFor(key: KeyObject, type: 'pkcs8' | 'spki'): string {
  return key.export({ type, format: 'pem' }).toString();
}
