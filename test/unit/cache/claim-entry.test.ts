import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeClaim, encodeClaim } from '../../../src/cache/claim-entry.js';

const time = fc.integer({ min: 0, max: 2 ** 52 });
const claim = fc.record({
  jti: fc.string({ unit: 'binary' }),
  rowId: fc.constant(undefined),
  token: fc.string(),
  userKey: fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
  issuedAtSeconds: fc.option(time, { nil: undefined }),
  startSeconds: fc.option(time, { nil: undefined }),
  expiresAtSeconds: time,
  claimedAtUs: time,
  successor: fc.record({ jti: fc.string(), token: fc.string(), expiresAtSeconds: time }),
});

describe('an entry of the outbox', () => {
  it('is the claim that it was made of', () => {
    fc.assert(
      fc.property(claim, (made) => {
        const { startSeconds, issuedAtSeconds } = made;
        const same = startSeconds === issuedAtSeconds ? { ...made, startSeconds: undefined } : made;
        expect(decodeClaim(encodeClaim(made))).toEqual(same);
      }),
    );
  });

  it('of a later version may have more fields', () => {
    for (const start of [7, null]) {
      const made = { ...fc.sample(claim, 1)[0]!, issuedAtSeconds: 9, startSeconds: start ?? undefined };
      const fields = JSON.parse(encodeClaim(made)) as unknown[];
      const padded = start === null ? [...fields, null] : fields;
      expect(decodeClaim(JSON.stringify([...padded, 'more']))).toEqual(made);
    }
  });

  it("is the release before's where the session began with its token, or where nobody asked", () => {
    const [made] = fc.sample(claim, 1);
    const plain = encodeClaim({ ...made!, startSeconds: undefined });
    expect(JSON.parse(plain)).toHaveLength(10);
    expect(encodeClaim({ ...made!, startSeconds: made!.issuedAtSeconds })).toBe(plain);
    const old = encodeClaim({ ...made!, issuedAtSeconds: 9, startSeconds: 7 });
    expect((JSON.parse(old) as unknown[]).slice(10)).toEqual([7]);
  });

  it('that is none is told from one that is', () => {
    const some = { ...fc.sample(claim, 1)[0]!, issuedAtSeconds: 9, startSeconds: 7 };
    const fields = JSON.parse(encodeClaim(some)) as unknown[];
    for (const text of ['', '{', 'null', '{}', '[]', '[2]']) expect(decodeClaim(text)).toBeUndefined();
    for (const at of fields.keys()) {
      const spoilt = JSON.stringify(fields.map((field, n) => (n === at ? { no: 'field' } : field)));
      expect(decodeClaim(spoilt), `field ${at}`).toBeUndefined();
    }
  });
});
