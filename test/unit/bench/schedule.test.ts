import { describe, expect, it } from 'vitest';
import { seeded } from '../../../src/bench/random.js';
import { schedule, steady, type Step } from '../../../src/bench/schedule.js';

const arrivals = (kind: 'constant' | 'poisson', rate: number, durationMs: number, seed = 1) => [
  ...schedule(kind, steady(rate, durationMs), seeded(seed)),
];

it('has constant arrivals one every 1/rate, without an error that adds up', () => {
  const due = arrivals('constant', 300, 1_000_000);
  expect(due).toHaveLength(300_000);
  expect(due[0]).toBe(0);
  expect(due[299_999]).toBeCloseTo(999_996.667, 3);
});

it('has Poisson arrivals with exponential gaps: mean and deviation are 1/rate, and counts vary as they should', () => {
  const due = arrivals('poisson', 100, 1_000_000);
  const gaps = due.map((at, n) => at - (due[n - 1] ?? 0));
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
  // 100,000 arrivals: three standard errors are 1 %.
  expect(due.length / 100_000).toBeCloseTo(1, 1.7);
  expect(mean / 10).toBeCloseTo(1, 1.7);
  expect(deviation / mean).toBeCloseTo(1, 1.7);
  // Memoryless: of the gaps over the mean, 1/e are over twice the mean.
  const over = (ms: number) => gaps.filter((gap) => gap > ms).length;
  expect(over(20) / over(10)).toBeCloseTo(Math.exp(-1), 1.7);
});

it('is the same for the same seed, another for another, sorted, and within its time', () => {
  const due = arrivals('poisson', 50, 10_000, 7);
  expect(arrivals('poisson', 50, 10_000, 7)).toEqual(due);
  expect(arrivals('poisson', 50, 10_000, 8)).not.toEqual(due);
  expect([...due].sort((a, b) => a - b)).toEqual(due);
  expect(due.every((at) => at >= 0 && at < 10_000)).toBe(true);
});

describe('a profile', () => {
  const steps: readonly Step[] = [
    { durationMs: 10_000, fromPerSecond: 50, toPerSecond: 50 },
    { durationMs: 5_000, fromPerSecond: 0, toPerSecond: 0 },
    { durationMs: 20_000, fromPerSecond: 0, toPerSecond: 400 },
    { durationMs: 10_000, fromPerSecond: 400, toPerSecond: 100 },
  ];
  const within = (due: readonly number[], fromMs: number, toMs: number) =>
    due.filter((at) => at >= fromMs && at < toMs).length;

  it.each([
    ['constant', 0],
    ['poisson', 4],
  ] as const)(
    'has as many %s arrivals in each step as its rate says, and none in a pause',
    (kind, sigmas) => {
      const due = [...schedule(kind, steps, seeded(3))];
      const near = (count: number, mean: number) =>
        expect(Math.abs(count - mean)).toBeLessThanOrEqual(1 + sigmas * Math.sqrt(mean));
      near(due.length, 7_000);
      near(within(due, 0, 10_000), 500);
      expect(within(due, 10_000, 15_000)).toBe(0);
      // An even rise from nothing has a quarter of its refreshes in its first half.
      near(within(due, 15_000, 25_000), 1_000);
      near(within(due, 25_000, 35_000), 3_000);
      near(within(due, 35_000, 45_000), 2_500);
      expect([...due].sort((a, b) => a - b)).toEqual(due);
    },
  );
});
