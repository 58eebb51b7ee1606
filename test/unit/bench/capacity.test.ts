import { expect, it } from 'vitest';
import { searchCapacity, type Trial } from '../../../src/bench/capacity.js';

/** A target that bears so many a second. */
const search = (bears: number, start: number, isGenerators = false) =>
  searchCapacity(
    (ratePerSecond): Promise<Trial> =>
      Promise.resolve({
        ratePerSecond, reachedPerSecond: Math.min(ratePerSecond, bears), meanMs: 5, p99Ms: 9,
        miss: ratePerSecond <= bears ? undefined : 'mean 31 ms, over 30 ms', isGenerators: isGenerators && ratePerSecond > bears,
      }),
    start,
    new AbortController().signal,
  ); // prettier-ignore

it.each([
  [3_700, 200],
  [3_700, 50_000],
  [3_700, 3_700],
  [1, 200],
  [90_000, 1],
])(
  'comes within a tenth of what a target bears (%i/s, beginning at %i/s), in few trials',
  async (bears, start) => {
    const { perSecond, bound, trials } = await search(bears, start);
    expect(perSecond).toBeLessThanOrEqual(bears);
    expect(perSecond).toBeGreaterThan(bears / 1.11);
    expect(bound).toBe('target');
    expect(trials.length).toBeLessThanOrEqual(22);
  },
);

it('says where no rate holds, where none is too much, and where it was the generator', async () => {
  expect(await search(0, 200)).toMatchObject({ perSecond: undefined, bound: 'target' });
  expect(await search(1e9, 200)).toMatchObject({ perSecond: 100_000, bound: 'most' });
  expect(await search(500, 200, true)).toMatchObject({ bound: 'generator' });
});
