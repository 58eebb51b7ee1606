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
  expiresAtSeconds: time,
  claimedAtUs: time,
  successor: fc.record({ jti: fc.string(), token: fc.string(), expiresAtSeconds: time }),
});

describe('an entry of the outbox', () => {
  it('is the claim that it was made of', () => {
    fc.assert(
      fc.property(claim, (made) => {
        expect(decodeClaim(encodeClaim(made))).toEqual(made);
      }),
    );
  });

  it('of a later version may have more fields', () => {
    const [made] = fc.sample(claim, 1);
    const fields = JSON.parse(encodeClaim(made!)) as unknown[];
    expect(decodeClaim(JSON.stringify([...fields, 'more']))).toEqual(made);
  });

  it('that is none is told from one that is', () => {
    const fields = JSON.parse(encodeClaim(fc.sample(claim, 1)[0]!)) as unknown[];
    for (const text of ['', '{', 'null', '{}', '[]', '[2]']) expect(decodeClaim(text)).toBeUndefined();
    for (const at of fields.keys()) {
      const spoilt = JSON.stringify(fields.map((field, n) => (n === at ? { no: 'field' } : field)));
      expect(decodeClaim(spoilt), `field ${at}`).toBeUndefined();
    }
  });
});
