import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KpiRing } from '../../../src/observe/kpi-ring.js';

describe('the ring of KPI counters', () => {
  it('gives a window all of its own and at most a second more, and never forgets a total', () => {
    const steps = fc.array(
      fc.record({ waitMs: fc.oneof(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: 90_000 })), amount: fc.nat(9) }),
      { minLength: 1, maxLength: 200 },
    ); // prettier-ignore
    fc.assert(
      fc.property(steps, fc.constantFrom(1_000, 60_000, 900_000), (events, windowMs) => {
        const ring = new KpiRing(900_000);
        let nowMs = 123;
        const added: { atMs: number; amount: number }[] = [];
        for (const { waitMs, amount } of events) {
          nowMs += waitMs;
          ring.add('verified', amount, nowMs);
          added.push({ atMs: nowMs, amount });
        }
        const since = (fromMs: number) =>
          added.filter(({ atMs }) => atMs > fromMs).reduce((sum, { amount }) => sum + amount, 0);
        const found = ring.within(windowMs, nowMs).verified;
        expect(found).toBeGreaterThanOrEqual(since(nowMs - windowMs));
        expect(found).toBeLessThanOrEqual(since(nowMs - windowMs - 1_001));
        expect(ring.total().verified).toBe(since(-1));
        expect(ring.total().met).toBe(0);
      }),
    );
  });

  it('forgets a window whose seconds are over, though nothing came since', () => {
    const ring = new KpiRing(900_000);
    ring.add('verified', 5, 10_000);
    expect(ring.within(60_000, 70_000).verified).toBe(5);
    expect(ring.within(60_000, 72_000).verified).toBe(0);
    expect(ring.within(900_000, 911_000_000).verified).toBe(0);
  });
});
