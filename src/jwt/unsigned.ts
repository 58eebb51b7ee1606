import { stringifyClaims } from './claims-json.js';
import type { Claims, CodecOptions } from './codec.js';
import { encodeText, headerFor } from './compact.js';
import { withRegisteredClaims } from './registered-claims.js';

/** In the place of a signature: no key makes it of anything. */
const NO_SIGNATURE = 'A'.repeat(43);

/**
 * Writes the tokens that would be signed, and signs none: what is only looked at need not be good for anything, and costs no
 * signature.
 */
export function unsignedTokens(
  rules: Pick<CodecOptions, 'algorithm' | 'audience' | 'issuer' | 'leewaySeconds'>,
): (claims: Claims) => string {
  const header = encodeText(JSON.stringify(headerFor(rules.algorithm)));
  return (claims) =>
    `${header}.${encodeText(stringifyClaims(withRegisteredClaims(claims, rules)))}.${NO_SIGNATURE}`;
}
