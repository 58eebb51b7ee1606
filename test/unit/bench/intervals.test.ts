import { expect, it } from 'vitest';
import { pairedRatio, unpairedRatio, type Ratio } from '../../../src/bench/intervals.js';
import { seeded } from '../../../src/bench/random.js';

/** Noise around 1, the same on both sides of a pair: what a busy machine does to two neighbouring blocks. */
const pairs = (ratio: number, count: number, random: () => number) =>
  Array.from({ length: count }, () => {
    const machine = 0.5 + random();
    return [ratio * machine * (0.95 + 0.1 * random()), machine * (0.95 + 0.1 * random())] as const;
  });

const holds = ({ low, high }: Ratio, truth: number) => low <= truth && truth <= high;

it('finds the ratio of pairs through noise that both sides share', () => {
  const { ratio, low, high } = pairedRatio(pairs(3, 20, seeded(1)))!;
  expect(ratio).toBeCloseTo(3, 0);
  expect(low).toBeGreaterThan(2.9);
  expect(high).toBeLessThan(3.1);
});

it.each([6, 10, 20, 30])('claims a difference in no more than 5 %% of %i pairs that have none', (count) => {
  const random = seeded(count);
  let held = 0;
  for (let n = 0; n < 4_000; n++) held += holds(pairedRatio(pairs(2, count, random))!, 2) ? 1 : 0;
  // The standard error of 4,000 trials is 0.3 %.
  expect(held / 4_000).toBeGreaterThan(0.94);
  expect(held / 4_000).toBeLessThan(0.97);
});

it('claims none between two runs whose seconds are like their neighbours and which lie 3 % apart by themselves', () => {
  const random = seeded(7);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const run = () => {
    const offset = 0.03 * normal();
    let drift = 0;
    return Array.from({ length: 15 }, () => {
      drift = 0.7 * drift + 0.03 * normal();
      return Math.exp(offset + drift);
    });
  };
  let held = 0;
  for (let n = 0; n < 4_000; n++) held += holds(unpairedRatio(run(), run())!, 1) ? 1 : 0;
  expect(held / 4_000).toBeGreaterThan(0.95);
});

it('claims one that is larger than what runs differ by themselves', () => {
  const steady = (value: number) => Array.from({ length: 15 }, (_, n) => value * (1 + 0.01 * (n % 2)));
  expect(unpairedRatio(steady(130), steady(100))!.low).toBeGreaterThan(1.15);
  expect(holds(unpairedRatio(steady(103), steady(100))!, 1)).toBe(true);
});

it('is wider without pairs: the noise is in it then', () => {
  const drawn = pairs(2, 20, seeded(4));
  const width = ({ low, high }: Ratio) => Math.log(high / low);
  const [ours, theirs] = [drawn.map(([a]) => a), drawn.map(([, b]) => b)];
  expect(width(unpairedRatio(ours, theirs)!)).toBeGreaterThan(5 * width(pairedRatio(drawn)!));
});

it('says nothing of fewer than three', () => {
  expect(pairedRatio([[1, 1], [2, 1]])).toBeUndefined(); // prettier-ignore
  expect(pairedRatio([[1, 1], [2, 1], [0, 1]])).toBeUndefined(); // prettier-ignore
  expect(unpairedRatio([1, 2], [1, 2, 3])).toBeUndefined();
});
