import { CompactSign, compactVerify, errors } from 'jose';
import type { AsymmetricAlgorithm } from './asymmetric-keys.js';
import { decodeText, headerFor, readHeader, splitCompact, type Jws } from './compact.js';
import type { Keyring } from './keyring.js';
import { ThreadLine } from './thread-line.js';

/** RS*, PS*, ES* and EdDSA, by jose. The form of a token is held to the same rules as for HS*. */
export function joseJws(algorithm: AsymmetricAlgorithm, keyring: Keyring, maxLength?: number): Jws {
  const signingHeader = headerFor(algorithm, keyring.signingKid);
  const encoder = new TextEncoder();
  const line = new ThreadLine(() => performance.now());

  return {
    async open(token) {
      const jws = splitCompact(token, maxLength);
      const header = jws && readHeader(jws.header, algorithm);
      if (jws === undefined || header === undefined) return undefined;
      for (const { key, kid } of keyring.verifying) {
        // A kid is a hint (RFC 7515, 4.1.4) that spares us trying; a key or a token without one is tried always.
        if (kid !== undefined && header.kid !== undefined && kid !== header.kid) continue;
        if (await signedBy(key, token)) return decodeText(jws.payload);
      }
      return undefined;
    },

    seal(payload) {
      const signature = new CompactSign(encoder.encode(payload)).setProtectedHeader(signingHeader);
      return line.through(signature.sign(keyring.signing));
    },

    waitMs: () => line.waitMs(),
  };

  async function signedBy(key: Keyring['signing'], token: string): Promise<boolean> {
    try {
      await line.through(compactVerify(token, key, { algorithms: [algorithm] }));
      return true;
    } catch (error) {
      if (error instanceof errors.JOSEError) return false;
      throw error;
    }
  }
}
