import { expect, it } from 'vitest';
import { pairedRatio, unpairedRatio } from '../../../src/bench/bootstrap.js';
import { seeded } from '../../../src/bench/random.js';

/** Noise around 1, the same on both sides of a pair: what a busy machine does to two neighbouring blocks. */
const pairs = (ratio: number, count: number, random: () => number) =>
  Array.from({ length: count }, () => {
    const machine = 0.5 + random();
    return [ratio * machine * (0.95 + 0.1 * random()), machine * (0.95 + 0.1 * random())] as const;
  });

it('finds the ratio of pairs through noise that both sides share', () => {
  const { ratio, low, high } = pairedRatio(pairs(3, 20, seeded(1)), seeded(2))!;
  expect(ratio).toBeCloseTo(3, 0);
  expect(low).toBeGreaterThan(2.9);
  expect(high).toBeLessThan(3.1);
});

it('has an interval that holds the truth about 95 times of 100', () => {
  const random = seeded(3);
  let held = 0;
  for (let n = 0; n < 200; n++) {
    const { low, high } = pairedRatio(pairs(2, 20, random), random)!;
    if (low <= 2 && 2 <= high) held += 1;
  }
  // A percentile bootstrap of 20 is a little narrow; 200 trials have a standard error of 1.5 %.
  expect(held / 200).toBeGreaterThan(0.88);
  expect(held / 200).toBeLessThan(1);
});

it('is wider without pairs: the noise is in it then', () => {
  const drawn = pairs(2, 20, seeded(4));
  const width = ({ low, high }: { low: number; high: number }) => Math.log(high / low);
  const [ours, theirs] = [drawn.map(([a]) => a), drawn.map(([, b]) => b)];
  expect(width(unpairedRatio(ours, theirs, seeded(5))!)).toBeGreaterThan(
    5 * width(pairedRatio(drawn, seeded(5))!),
  );
});

it('says nothing of fewer than three', () => {
  expect(pairedRatio([[1, 1], [2, 1]], seeded(1))).toBeUndefined(); // prettier-ignore
  expect(pairedRatio([[1, 1], [2, 1], [0, 1]], seeded(1))).toBeUndefined(); // prettier-ignore
  expect(unpairedRatio([1, 2], [1, 2, 3], seeded(1))).toBeUndefined();
});
