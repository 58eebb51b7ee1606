import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planKeyChange } from '../../../src/jwt/key-change.js';
import { importKeySet, withChainKeys, type Keys } from '../../../src/jwt/key-set.js';
import { createChain } from '../../../src/rotation/chain.js';
import { keyPairFor, NOW_SECONDS, NOW_US, pkcs8, spki } from './codecs.js';

const RULES = { audience: [], issuer: undefined, leewaySeconds: 0 };
const SECRETS = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(40));
const CHAINS = [1, 2, 3].map((byte) => Buffer.alloc(32, byte));

const hs = (signing: string, verifying: readonly string[], chainKeys: readonly Buffer[] = []): Keys =>
  withChainKeys({ algorithm: 'HS256', verifyingKeys: verifying, chainKeys }, signing);

const stepsOf = (current: Keys, wanted: Keys) => {
  const change = planKeyChange(current, wanted);
  if (change.kind !== 'steps') throw new Error(`no steps: ${change.kind}`);
  return change;
};

const accepts = async (by: Keys, signedBy: Keys): Promise<boolean> => {
  const [one, other] = [await importKeySet(by, RULES), await importKeySet(signedBy, RULES)];
  const token = await other.keySet.codec.sign({ exp: NOW_SECONDS + 60 });
  return (await one.keySet.codec.verify(token, NOW_US)).ok;
};

describe('a change of keys', () => {
  it('leaves no moment in which one worker refuses what another signs', async () => {
    const [older = '', old = '', next = ''] = SECRETS;
    const current = hs(old, [older], CHAINS);
    const { accept, use } = stepsOf(current, hs(next, [old], CHAINS));
    // Two workers are at most one step apart.
    for (const [a, b] of [
      [current, accept],
      [accept, use],
    ] as const) {
      expect([await accepts(a, b), await accepts(b, a)]).toEqual([true, true]);
    }
    // Why there are two steps.
    expect(await accepts(current, use)).toBe(false);
    expect(await accepts(use, hs(older, [], CHAINS))).toBe(false);
  });

  it.each(['RS256', 'ES256', 'EdDSA'] as const)('is made with %s, too', async (algorithm) => {
    const [old, next] = [keyPairFor(algorithm), keyPairFor(algorithm)];
    const keys = (signing: typeof old, verifying: readonly string[]): Keys =>
      withChainKeys({ algorithm, verifyingKeys: verifying, chainKeys: CHAINS }, pkcs8(signing));
    const current = keys(old, []);
    const { accept, use } = stepsOf(current, keys(next, [spki(old)]));
    expect([await accepts(current, accept), await accepts(accept, use), await accepts(use, accept)]).toEqual([
      true,
      true,
      true,
    ]);
    // Nothing is pinned: the chain would follow the new key, and lose all families.
    const loose = (signing: typeof old, verifying: readonly string[]): Keys =>
      withChainKeys({ algorithm, verifyingKeys: verifying, chainKeys: [] }, pkcs8(signing));
    expect(planKeyChange(loose(old, []), loose(next, [spki(old)]))).toEqual({
      kind: 'refused',
      why: 'chain_key_dropped',
    });
  });

  it('keeps every chain key that is in use, and derives with none that another does not know', () => {
    const list = fc.shuffledSubarray(CHAINS, { minLength: 1 });
    fc.assert(
      fc.property(list, list, fc.constantFrom(...SECRETS), (inUse, wanted, secret) => {
        const current = hs(SECRETS[0]!, [], inUse);
        const change = planKeyChange(current, hs(secret, [SECRETS[0]!], wanted));
        const dropped = inUse.some((key) => !wanted.includes(key));
        expect(change.kind === 'refused').toBe(dropped);
        if (change.kind !== 'steps') return;
        // Whatever is derived at a step is found by who is at the step before or after it.
        const steps = [current, change.accept, change.use].map(({ chainKeys }) => createChain(chainKeys));
        for (const [n, chain] of steps.entries()) {
          for (const other of [steps[n - 1], steps[n + 1]]) {
            if (other !== undefined) expect(other.candidatesAfter('jti')).toContain(chain.successorOf('jti'));
          }
        }
        expect(new Set(change.use.chainKeys)).toEqual(new Set(wanted));
      }),
    );
  });

  it('moves a chain key to the front with the change after the one that brought it', () => {
    const [one, two] = CHAINS as [Buffer, Buffer];
    const [old = '', next = ''] = SECRETS;
    const { use } = stepsOf(hs(old, [], [one]), hs(next, [old], [two, one]));
    expect(use.chainKeys).toEqual([one, two]);
    expect(stepsOf(use, hs(next, [old], [two, one])).use.chainKeys).toEqual([two, one]);
  });

  it('of a secret that pins nothing is taken where the old secret still verifies', () => {
    const [old = '', next = ''] = SECRETS;
    expect(planKeyChange(hs(old, []), hs(next, [])).kind).toBe('refused');
    expect(stepsOf(hs(old, []), hs(next, [old])).use.chainKeys).toEqual(
      [old, next].map((secret) => hs(secret, []).chainKeys[0]),
    );
  });

  it('is none where nothing changes, and refused for another algorithm', () => {
    const [old = ''] = SECRETS;
    expect(planKeyChange(hs(old, SECRETS, CHAINS), hs(old, SECRETS, CHAINS))).toEqual({ kind: 'none' });
    expect(planKeyChange(hs(old, [], CHAINS), { ...hs(old, [], CHAINS), algorithm: 'HS512' })).toEqual({
      kind: 'refused',
      why: 'algorithm',
    });
  });
});
