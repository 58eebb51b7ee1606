import { describe, expect, it } from 'vitest';
import { RestartPolicy } from '../../../src/compose/restart-policy.js';

describe('workers that die', () => {
  it('are started again, each later than the one before, and given up in the end', () => {
    const policy = new RestartPolicy();
    const delays = Array.from({ length: 11 }, () => policy.died(0));
    expect(delays).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000, undefined]);
  });

  it('after they have served for a while are started again at once, however often', () => {
    const policy = new RestartPolicy();
    for (let n = 0; n < 9; n++) policy.died(0);
    expect(Array.from({ length: 50 }, () => policy.died(1_000))).toEqual(Array(50).fill(100));
  });
});
