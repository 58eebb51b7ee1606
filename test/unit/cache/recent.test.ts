import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Recent } from '../../../src/cache/recent.js';

type Step = readonly ['set' | 'delete' | 'clear', number];

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.tuple(fc.constantFrom<Step[0][]>('set', 'set', 'set', 'set', 'delete', 'clear'), fc.nat(20)),
  { maxLength: 60 },
);

it('holds what was put in last, at most so many, with its newest value', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), steps, (most, taken) => {
      const recent = new Recent<number>(most);
      /** What is not deleted, by key. */
      const model = new Map<number, number>();
      const put: number[] = [];
      taken.forEach(([what, key], at) => {
        const had = recent.get(`${key}`);
        if (what === 'clear') {
          recent.clear();
          model.clear();
        } else {
          if (what === 'set') recent.set(`${key}`, at);
          else expect(recent.delete(`${key}`)).toBe(had !== undefined);
          model.delete(key);
          if (what === 'set') {
            model.set(key, at);
            put.push(key);
          }
        }
        const held = Array.from({ length: 21 }, (_, one) => one).filter(
          (one) => recent.get(`${one}`) !== undefined,
        );
        expect(held.length).toBeLessThanOrEqual(Math.max(most, 1));
        for (const one of held) expect(recent.get(`${one}`)).toBe(model.get(one));
        for (const newest of put.slice(-Math.ceil(most / 2)))
          if (model.has(newest)) expect(held).toContain(newest);
      });
    }),
    { numRuns: 500 },
  );
});
