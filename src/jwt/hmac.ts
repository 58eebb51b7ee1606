import { timingSafeEqual, type KeyObject } from 'node:crypto';
import { keyedHash } from '../keyed-hash.js';
import type { Algorithm } from './codec.js';
import {
  commonHeaders,
  decodeText,
  encodeText,
  headerFor,
  readHeader,
  splitCompact,
  type Jws,
} from './compact.js';

/**
 * HS256, HS384 and HS512 on node:crypto: the hot path, synchronous.
 *
 * jose's way through WebCrypto makes the whole server 3.7 times slower, for each operation there crosses to a
 * thread and back. What this accepts and refuses is held to jose by test/fuzz/hmac-differential.test.ts.
 */
export type HmacAlgorithm = Extract<Algorithm, `HS${string}`>;

export function isHmac(algorithm: Algorithm): algorithm is HmacAlgorithm {
  return algorithm.startsWith('HS');
}

/** A `Jws` that never makes anybody wait. */
export interface HmacJws extends Jws {
  open(token: string): string | undefined;
  seal(payload: string): string;
}

/**
 * @param secrets the signing secret first, then those that only verify: while keys rotate, both are valid
 */
export function hmacJws(
  algorithm: HmacAlgorithm,
  secrets: readonly [KeyObject, ...KeyObject[]],
  maxLength?: number,
): HmacJws {
  const hash = ({ HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' } as const)[algorithm];
  const [signingSecret, ...others] = secrets;
  const sign = keyedHash(hash, signingSecret);
  const signers = [sign, ...others.map((secret) => keyedHash(hash, secret))];
  const knownHeaders = commonHeaders(algorithm);
  const signingHeader = encodeText(JSON.stringify(headerFor(algorithm)));

  return {
    open(token) {
      const jws = splitCompact(token, maxLength);
      if (jws === undefined) return undefined;
      if (!knownHeaders.has(jws.header) && readHeader(jws.header, algorithm) === undefined) return undefined;

      const presented = Buffer.from(jws.signature);
      for (const signer of signers) {
        // The texts are compared, not the bytes: base64url is strict here, so one signature has one text.
        const expected = Buffer.from(signer(jws.signingInput, 'base64url'));
        if (expected.length === presented.length && timingSafeEqual(expected, presented)) {
          return decodeText(jws.payload);
        }
      }
      return undefined;
    },

    seal(payload) {
      const signingInput = `${signingHeader}.${encodeText(payload)}`;
      return `${signingInput}.${sign(signingInput, 'base64url')}`;
    },
  };
}
