import { createSecretKey } from 'node:crypto';
import { compactVerify, errors, jwtVerify } from 'jose';
import { expect } from 'vitest';
import { parseClaims } from '../../src/jwt/claims-json.js';
import { createCodec } from '../../src/jwt/create-codec.js';
import { hmacJws } from '../../src/jwt/hmac.js';
import { FUZZ_NOW_US } from './mutated-parts.js';
import { HMAC_ALGORITHMS, mutatedToken, SECRETS, type HmacName } from './mutated-tokens.js';
import { seededRandom } from './random.js';

/** How many tokens ended where; a run in which one of these is small has not tested much. */
export interface Tally {
  accepted: number;
  refusedByBoth: number;
  /** jose forgives their form and we don't: padding, white space, stray bits, `crit` and `b64`. */
  refusedForForm: number;
}

/**
 * Holds the fast path to jose on WebCrypto, token by token: what jose refuses is refused, what jose accepts is
 * accepted with the same payload, save for forms that are refused on purpose, which are told here anew and
 * in another way than in src/jwt/compact.ts. A token whose claims are accepted, too, is accepted by jwtVerify.
 */
export async function compareWithJose(count: number, seed: number): Promise<Tally> {
  const random = seededRandom(seed);
  const tally: Tally = { accepted: 0, refusedByBoth: 0, refusedForForm: 0 };
  const keys = SECRETS.map((secret) => Buffer.from(secret));
  const subjects = new Map(
    await Promise.all(
      HMAC_ALGORITHMS.map(async (algorithm) => {
        const [signing, verifying] = SECRETS.map((secret) => createSecretKey(Buffer.from(secret)));
        const options = { algorithm, signingKey: SECRETS[0], verifyingKeys: [SECRETS[1]] };
        const { codec } = await createCodec({
          ...options,
          audience: [],
          issuer: undefined,
          leewaySeconds: 0,
        });
        return [algorithm, { jws: hmacJws(algorithm, [signing!, verifying!]), codec }] as const;
      }),
    ),
  );

  for (let i = 0; i < count; i++) {
    const algorithm = random.pick(HMAC_ALGORITHMS);
    const { token, history } = mutatedToken(random, algorithm);
    const { jws, codec } = subjects.get(algorithm)!;

    const opened = jws.open(token);
    const ours = opened !== undefined && parseClaims(opened) !== undefined ? opened : undefined;
    const joses = await openedByJose(token, algorithm, keys);
    const expected = joses !== undefined && isStrict(token) ? joses : undefined;
    const context = `seed ${seed}, token ${i}: ${JSON.stringify(token)}\n${history.join('\n')}`;
    expect(ours, context).toBe(expected);

    const verdict = await codec.verify(token, FUZZ_NOW_US);
    if (verdict.ok) {
      expect(ours, context).toBeDefined();
      expect(await acceptedByJwtVerify(token, algorithm, keys), context).toBe(true);
    }
    if (ours !== undefined) tally.accepted++;
    else if (joses !== undefined) tally.refusedForForm++;
    else tally.refusedByBoth++;
  }
  return tally;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

async function openedByJose(token: string, alg: HmacName, keys: Uint8Array[]): Promise<string | undefined> {
  for (const key of keys) {
    try {
      const { payload } = await compactVerify(token, key, { algorithms: [alg] });
      // As jose's jwtVerify reads a claims set.
      const text = utf8.decode(payload);
      const claims: unknown = JSON.parse(text);
      return typeof claims === 'object' && claims !== null && !Array.isArray(claims) ? text : undefined;
    } catch (error) {
      const expected =
        error instanceof errors.JOSEError || error instanceof SyntaxError || error instanceof TypeError;
      if (!expected) throw error;
    }
  }
  return undefined;
}

async function acceptedByJwtVerify(token: string, alg: HmacName, keys: Uint8Array[]): Promise<boolean> {
  const currentDate = new Date(FUZZ_NOW_US / 1000);
  const options = { algorithms: [alg], requiredClaims: ['exp'], currentDate, clockTolerance: 1 };
  const answers = await Promise.allSettled(keys.map((key) => jwtVerify(token, key, options)));
  return answers.some((answer) => answer.status === 'fulfilled');
}

function isStrict(token: string): boolean {
  const segments = token.split('.');
  if (!segments.every((text) => Buffer.from(text, 'base64url').toString('base64url') === text)) return false;
  const header = JSON.parse(utf8.decode(Buffer.from(segments[0]!, 'base64url'))) as Record<string, unknown>;
  return !Object.hasOwn(header, 'crit') && (!Object.hasOwn(header, 'b64') || header['b64'] === true);
}
