import { expect, it } from 'vitest';
import { seeded } from '../../../src/bench/random.js';
import { schedule } from '../../../src/bench/schedule.js';

const arrivals = (kind: 'constant' | 'poisson', rate: number, durationMs: number, seed = 1) => [
  ...schedule(kind, rate, durationMs, seeded(seed)),
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
