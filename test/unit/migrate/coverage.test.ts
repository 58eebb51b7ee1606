import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bestCover, interchangeable, shortfall } from '../../../src/migrate/coverage.js';
import { redundantIndexes } from '../../../src/migrate/redundancy.js';
import { anyIndex, index, key } from './indexes.js';

const covers = (wanted: Parameters<typeof shortfall>[0], existing: Parameters<typeof shortfall>[1]) =>
  shortfall(wanted, existing) === undefined;

describe('coverage', () => {
  it("finds Django's constraint on jti, and not its _like index", () => {
    const wanted = index('idx_outstanding_token_jti', [key('jti', { operators: 'text_ops' })]);
    const unique = index('jti_uniq', [key('jti', { operators: 'text_ops' })], {
      unique: true,
      constraint: 'jti_uniq',
    });
    const like = index('jti_like', [key('jti', { operators: 'text_pattern_ops' })]);
    expect(shortfall(wanted, unique)).toBeUndefined();
    expect(shortfall(wanted, like)).toBe('another operator class');
    expect(bestCover(wanted, [like, unique])).toBe(unique);
  });

  it('is of the same table', () => {
    expect(shortfall(index('a', ['x']), index('b', ['x'], { table: 'u' }))).toBe('another table');
  });

  it('prefers the narrowest index, and among equals the one that a constraint keeps', () => {
    const wanted = index('w', ['a']);
    const wide = index('a_wide', ['a', 'b']);
    const plain = index('b_plain', ['a']);
    const kept = index('c_kept', ['a'], { unique: true, constraint: 'c' });
    expect(bestCover(wanted, [wide, plain, kept])).toBe(kept);
    expect(bestCover(wanted, [wide, plain])).toBe(plain);
    expect(bestCover(wanted, [index('z', ['b'])])).toBeUndefined();
  });

  it('is reflexive for valid indexes: an index covers its like', () => {
    fc.assert(
      fc.property(anyIndex, (one) => {
        expect(covers(one, one)).toBe(one.valid);
      }),
    );
  });

  it('is transitive: what covers a cover covers', () => {
    let chains = 0;
    fc.assert(
      fc.property(fc.array(anyIndex, { minLength: 60, maxLength: 60 }), (indexes) => {
        const coversOf = new Map(indexes.map((one) => [one, indexes.filter((other) => covers(one, other))]));
        for (const [wanted, direct] of coversOf) {
          for (const further of direct.flatMap((cover) => coversOf.get(cover)!)) {
            chains++;
            if (!covers(wanted, further)) return false;
          }
        }
        return true;
      }),
      { numRuns: 20 },
    );
    expect(chains).toBeGreaterThan(100);
  });

  it('is kept by whatever is added behind the keys of a B-tree that needn’t be unique', () => {
    fc.assert(
      fc.property(anyIndex, (one) => {
        fc.pre(one.valid && one.accessMethod === 'btree');
        const wanted = { ...one, unique: false };
        expect(
          covers(wanted, { ...one, keys: [...one.keys, key('z')], include: [...one.include, 'y'] }),
        ).toBe(true);
      }),
    );
  });

  it('is lost with validity, and with the leading key', () => {
    fc.assert(
      fc.property(anyIndex, (one) => {
        expect(covers(one, { ...one, valid: false })).toBe(false);
        expect(covers(one, { ...one, keys: [key('z'), ...one.keys] })).toBe(false);
      }),
    );
  });
});

describe('redundancy', () => {
  const none = new Set<string>();

  it("names Django's index on user_id once the wider one is there", () => {
    const django = index('user_id_83bc629a', ['user_id']);
    const wide = index('idx_refresh_token_user_created', ['user_id', 'created_at']);
    expect(redundantIndexes([django, wide], new Set(['idx_refresh_token_user_created']))).toEqual([
      { index: django, by: wide },
    ]);
  });

  it('gives up ours where two are alike', () => {
    const [django, ours] = [index('a', ['x']), index('b', ['x'])];
    expect(redundantIndexes([django, ours], new Set(['b']))).toEqual([{ index: ours, by: django }]);
    expect(redundantIndexes([django, ours], new Set(['a']))).toEqual([{ index: django, by: ours }]);
  });

  it('never names what enforces something', () => {
    const unique = index('u', ['x'], { unique: true });
    const identity = index('i', ['x'], { replicaIdentity: true });
    expect(redundantIndexes([unique, identity, index('w', ['x', 'y'])], none)).toEqual([]);
  });

  it('leaves, if all that it names were dropped, an index for every use', () => {
    const some = fc.uniqueArray(anyIndex, { selector: ({ name }) => name, maxLength: 8 });
    fc.assert(
      fc.property(some, (indexes) => {
        const redundant = redundantIndexes(indexes, none);
        const dropped = new Set(redundant.map(({ index: one }) => one));
        for (const { index: one, by } of redundant) {
          expect(dropped.has(by)).toBe(false);
          expect(covers(one, by)).toBe(true);
          expect(one.unique).toBe(false);
        }
        const staying = indexes.filter((one) => !dropped.has(one));
        for (const a of staying) {
          for (const b of staying) {
            if (a !== b && !a.unique && a.valid && b.valid) expect(interchangeable(a, b)).toBe(false);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
