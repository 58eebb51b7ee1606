import { describe, expect, it } from 'vitest';
import { DoubtfulClaims } from '../../../src/rotation/doubtful-claims.js';

describe('claims in doubt', () => {
  it('are repeated with their time, until one gets a time of its own: then both are ours', () => {
    const doubtful = new DoubtfulClaims(10);
    doubtful.remember('a', 1);
    expect(doubtful.claimedAtUs('a')).toBe(1);
    doubtful.renew('a');
    expect([doubtful.claimedAtUs('a'), doubtful.has('a'), doubtful.isOurs('a', 1)]).toEqual([
      undefined,
      true,
      true,
    ]);
    doubtful.remember('a', 2);
    expect([1, 2, 3].map((us) => doubtful.isOurs('a', us))).toEqual([true, true, false]);
    expect(doubtful.claimedAtUs('a')).toBe(2);
    expect([doubtful.settle('a'), doubtful.settle('a'), doubtful.isOurs('a', 1)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('keep the first and the newest times of a token, and forget the oldest tokens', () => {
    const doubtful = new DoubtfulClaims(2);
    for (let us = 1; us <= 100; us++) {
      doubtful.remember('a', us);
      doubtful.renew('a');
    }
    expect([1, 2, 100].map((us) => doubtful.isOurs('a', us))).toEqual([true, false, true]);
    expect(doubtful.isOurs('a', undefined)).toBe(false);
    for (const jti of ['b', 'c']) doubtful.remember(jti, 1);
    expect(['a', 'b', 'c'].map((jti) => doubtful.has(jti))).toEqual([false, true, true]);
  });
});
