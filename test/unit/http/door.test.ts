import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Door, type DoorOptions } from '../../../src/http/door.js';

const doorOf = (over: Partial<DoorOptions> = {}) =>
  new Door({
    storeIsBusy: () => false,
    lagMs: () => 0,
    inStore: () => 0,
    signatureWaitMs: () => 0,
    maxWaitMs: 250,
    monotonicMs: () => 0,
    random: () => 0.5,
    onRefused: () => undefined,
    ...over,
  });

const times = <T>(count: number, what: () => T): T[] => Array.from({ length: count }, what);

describe('the door', () => {
  it('lets in whatever comes, while nothing waits', () => {
    const door = doorOf();
    expect(times(10_000, () => door.admits())).toEqual(times(10_000, () => true));
  });

  it('refuses what would wait too long for the store, and lets in at once when it would not', () => {
    let busy = true;
    const door = doorOf({ storeIsBusy: () => busy });
    const before = door.admits();
    busy = false;
    expect([before, door.admits()]).toEqual([false, true]);
  });

  it('refuses what would wait too long for the threads that sign', () => {
    let waitMs = 251;
    const door = doorOf({ signatureWaitMs: () => waitMs });
    const before = door.admits();
    waitMs = 250;
    expect([before, door.admits()]).toEqual([false, true]);
  });

  it('refuses a share of what has waited to be read: the more of it, the longer it waited', () => {
    const shareAt = (lag: number): number => {
      let n = 0;
      const door = doorOf({ lagMs: () => lag, random: () => (n++ % 100) / 100 });
      times(100, () => door.enters());
      return times(100, () => door.admits()).filter((admitted) => !admitted).length;
    };
    const [none, few, half, all] = [shareAt(250), shareAt(350), shareAt(500), shareAt(750)];
    expect([none, all]).toEqual([0, 100]);
    expect(few).toBeGreaterThan(10);
    expect(half).toBeGreaterThan(few + 20);
  });

  it('refuses nobody because this process was held up by something else', () => {
    const door = doorOf({ lagMs: () => 10_000 });
    times(20, () => door.enters());
    expect(door.admits()).toBe(true);
  });

  it('spends no more than a tenth of its time on refusals where it cannot keep up: else it would do nothing else', () => {
    let nowMs = 0;
    const door = doorOf({ lagMs: () => 10_000, monotonicMs: () => nowMs });
    times(100, () => door.enters());
    let refused = 0;
    // A request each tenth of a millisecond; to refuse one takes as long.
    for (; nowMs < 10_000; nowMs += 0.1) {
      if (door.admits()) continue;
      refused++;
      door.paid(0.1);
    }
    expect(refused * 0.1).toBeGreaterThan(900);
    expect(refused * 0.1).toBeLessThan(1_100);
  });

  it('refuses what would wait too long for signatures or Redis, by the pace at which they come', () => {
    let nowMs = 0;
    const door = doorOf({ monotonicMs: () => nowMs });
    times(500, () => door.enters());
    door.leaves();
    nowMs = 200;
    // One in 10 ms: of 300 that are inside the last waits three seconds.
    times(20, () => door.leaves());
    nowMs = 400;
    times(20, () => door.leaves());
    expect(door.admits()).toBe(false);
    times(450, () => door.leaves());
    expect(door.admits()).toBe(true);
  });

  it('asks clients back later, and spread wider, the more of them come; within ten seconds', () => {
    fc.assert(
      fc.property(fc.nat(50), fc.double({ min: 0, max: 0.999, noNaN: true }), (refusals, drawn) => {
        let nowMs = 0;
        const door = doorOf({ storeIsBusy: () => true, monotonicMs: () => nowMs, random: () => drawn });
        expect(door.retryAfterSeconds()).toBe(1);
        times(10, () => {
          door.enters();
          door.leaves();
        });
        times(refusals * 10, () => door.admits());
        nowMs = 50;
        const seconds = door.retryAfterSeconds();
        expect(Number.isInteger(seconds)).toBe(true);
        expect(seconds).toBeGreaterThanOrEqual(1);
        expect(seconds).toBeLessThanOrEqual(Math.min(10, Math.max(1, 2 * (1 + refusals * 10))));
      }),
    );
  });

  it('tells how many it refused, all of them and not one by one', async () => {
    vi.useFakeTimers();
    try {
      const told: number[] = [];
      const door = doorOf({ storeIsBusy: () => true, onRefused: (count) => told.push(count) });
      times(1_000, () => door.admits());
      await vi.advanceTimersByTimeAsync(200);
      door.admits();
      await vi.advanceTimersByTimeAsync(200);
      expect(told).toEqual([1_000, 1]);
    } finally {
      vi.useRealTimers();
    }
  });
});
