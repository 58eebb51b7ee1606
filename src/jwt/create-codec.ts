import type { JWK } from 'jose';
import { damagedKey } from './asymmetric-keys.js';
import { parseClaims, stringifyClaims } from './claims-json.js';
import type { CodecOptions, TokenCodec, Verdict } from './codec.js';
import type { Jws } from './compact.js';
import { hmacJws, isHmac } from './hmac.js';
import { joseJws } from './jose-jws.js';
import { importKeyring } from './keyring.js';
import { publicJwks } from './public-jwks.js';
import { checkRegisteredClaims, withRegisteredClaims, type ClaimRules } from './registered-claims.js';
import { importSecrets } from './secrets.js';

export interface CreatedCodec {
  readonly codec: TokenCodec;
  /** Those that verify, for others to verify by; none where keys are secrets. */
  readonly publicKeys: readonly JWK[];
  /** Sentences for whoever runs the server, of weak keys and likely mistakes. They hold no key material. */
  readonly warnings: readonly string[];
}

/**
 * Builds the codec that the options ask for. Its `verify` never throws for anything a token may hold.
 *
 * @throws {KeyError} where a key is missing, unreadable, or doesn't fit the algorithm
 */
export async function createCodec(options: CodecOptions): Promise<CreatedCodec> {
  const { leewaySeconds } = options;
  // A leeway of NaN or Infinity would keep every token from expiring.
  if (!Number.isFinite(leewaySeconds) || leewaySeconds < 0) {
    throw new RangeError(`The leeway must be a number of seconds, 0 or more, not ${leewaySeconds}.`);
  }
  const { jws, ...more } = await importKeys(options);
  return { codec: codecOver(jws, options), ...more };
}

async function importKeys(
  options: CodecOptions,
): Promise<Omit<CreatedCodec, 'codec'> & { readonly jws: Jws }> {
  const { algorithm, signingKey, verifyingKeys } = options;
  if (isHmac(algorithm)) {
    const { secrets, warnings } = importSecrets(algorithm, signingKey, verifyingKeys);
    return { jws: hmacJws(algorithm, secrets, options.maxTokenBytes), publicKeys: [], warnings };
  }
  const keyring = await importKeyring(algorithm, signingKey, verifyingKeys);
  const jws = joseJws(algorithm, keyring, options.maxTokenBytes);
  // Of an RSA key whose halves don't belong together nobody complains, until nothing verifies.
  if ((await jws.open(await jws.seal('{}'))) === undefined) throw damagedKey('signing key');
  return { jws, publicKeys: await publicJwks(keyring, algorithm), warnings: keyring.warnings };
}

function codecOver(jws: Jws, rules: ClaimRules): TokenCodec {
  const judge = (payload: string | undefined, nowUs: number): Verdict => {
    const claims = payload === undefined ? undefined : parseClaims(payload);
    return claims === undefined
      ? { ok: false, reason: 'invalid' }
      : checkRegisteredClaims(claims, rules, nowUs);
  };
  return {
    verify(token, nowUs) {
      const opened = jws.open(token);
      return opened instanceof Promise
        ? opened.then((payload) => judge(payload, nowUs))
        : judge(opened, nowUs);
    },
    parse: parseClaims,
    sign(claims) {
      return jws.seal(stringifyClaims(withRegisteredClaims(claims, rules)));
    },
    ...(jws.waitMs && { waitMs: jws.waitMs }),
  };
}
