import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EDGE_OPTIONS } from '../../../src/config/edge-options.js';
import { RateLimit } from '../../../src/rotation/rate-limit.js';

describe('a rate', () => {
  it.each([
    ['5/s', 5, 1_000],
    ['30/m', 30, 60_000],
    ['30/min', 30, 60_000],
    ['600/hour', 600, 3_600_000],
    ['2000/d', 2000, 86_400_000],
  ])('is read from %s', (text, count, periodMs) =>
    expect(EDGE_OPTIONS['throttle-user'].parse([text])).toEqual({ ok: true, value: { count, periodMs } }),
  );
  it.each(['0/s', '5', '/s', '5/w', '-1/s', '1.5/s', '5 /s', '5/minutes'])('is not %s', (text) =>
    expect(EDGE_OPTIONS['throttle-user'].parse([text]).ok).toBe(false),
  );

  it('may be used up at once, and comes back one by one', () => {
    let nowMs = 1_000_000;
    const limit = new RateLimit({ count: 3, periodMs: 3_000 }, () => nowMs);
    expect([1, 2, 3, 4].map(() => limit.charge('a'))).toEqual([0, 0, 0, 1_000]);
    expect(limit.charge('b')).toBe(0);
    nowMs += 999;
    expect(limit.charge('a')).toBe(1);
    nowMs += 1;
    expect([limit.charge('a'), limit.charge('a')]).toEqual([0, 1_000]);
    expect([limit.waitMs('a'), limit.waitMs('nobody')]).toEqual([1_000, 0]);
    nowMs += 1_000;
    // To ask costs nothing.
    expect([limit.waitMs('a'), limit.waitMs('a'), limit.charge('a'), limit.waitMs('a')]).toEqual([
      0, 0, 0, 1_000,
    ]);
    nowMs += 60_000;
    expect([1, 2, 3, 4].map(() => limit.charge('a'))).toEqual([0, 0, 0, 1_000]);
  });

  it('is paid back where more was granted at once than it allows, a period later at most', () => {
    let nowMs = 1_000;
    const limit = new RateLimit({ count: 2, periodMs: 60_000 }, () => nowMs);
    for (let n = 0; n < 4; n++) limit.owe('a');
    expect(limit.waitMs('a')).toBe(90_000);
    for (let n = 0; n < 60; n++) limit.owe('a');
    expect(limit.waitMs('a')).toBe(90_000);
    nowMs += 90_000;
    expect([limit.waitMs('a'), limit.charge('a'), limit.waitMs('a')]).toEqual([0, 0, 30_000]);
  });

  it('is never exceeded by more than its burst, and whoever waits as told is let in', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.constantFrom(1_000, 60_000),
        fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 200 }),
        (count, periodMs, pauses) => {
          let nowMs = 5;
          const limit = new RateLimit({ count, periodMs }, () => nowMs);
          let granted = 0;
          for (const pauseMs of pauses) {
            nowMs += pauseMs;
            const waitMs = limit.charge('a');
            if (waitMs === 0) granted++;
            else {
              nowMs += waitMs;
              expect(limit.charge('a')).toBe(0);
              granted++;
            }
            expect(granted).toBeLessThanOrEqual(count + ((nowMs - 5) * count) / periodMs + 1e-6);
          }
        },
      ),
    );
  });

  it('is kept for 100,000 keys; who was longest without a charge is forgotten first', () => {
    const limit = new RateLimit({ count: 1, periodMs: 1_000 }, () => 0);
    for (let n = 0; n < 100_000; n++) limit.charge(String(n));
    expect(limit.charge('0')).toBeGreaterThan(0);
    limit.charge('one more');
    expect(limit.charge('0')).toBe(0);
    expect(limit.charge('2')).toBeGreaterThan(0);
  });
});
