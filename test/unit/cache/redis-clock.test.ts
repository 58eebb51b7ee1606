import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RedisClock } from '../../../src/cache/redis-clock.js';

describe("Redis' clock", () => {
  it('is long past where nothing is known of it', () => {
    expect(new RedisClock(() => 1_000).after(3, 100)).toBe(0);
  });

  it('is never told ahead of itself, however long an answer was on its way', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e9, max: 1e9 }),
        fc.array(fc.record({ outMs: fc.nat(500), backMs: fc.nat(500), restMs: fc.nat(5_000) }), {
          minLength: 1,
        }),
        (offsetUs, trips) => {
          let nowMs = 10_000;
          const clock = new RedisClock(() => nowMs);
          const redisUs = () => nowMs * 1000 + offsetUs;
          for (const { outMs, backMs, restMs } of trips) {
            const sentAtMs = nowMs;
            nowMs += outMs;
            const reading = redisUs();
            nowMs += backMs;
            clock.observe(0, reading, sentAtMs);
            nowMs += restMs;
            expect(clock.after(0, 0)).toBeLessThanOrEqual(redisUs());
            // And not so far behind it that every script came too late.
            expect(clock.after(0, 0)).toBeGreaterThanOrEqual(redisUs() - (outMs + backMs) * 1000 - 1);
          }
        },
      ),
    );
  });

  it('follows a Redis whose clock is another: it failed over', () => {
    let nowMs = 0;
    const clock = new RedisClock(() => nowMs);
    clock.observe(0, 5_000_000, 0);
    nowMs = 10;
    clock.observe(0, 4_000_000, 8);
    expect(clock.after(0, 0)).toBe(4_002_000);
  });

  it('takes no answer for a time that is none', () => {
    const clock = new RedisClock(() => 0);
    clock.observe(0, '5', 0);
    clock.observe(0, undefined, 0);
    expect(clock.after(0, 0)).toBe(0);
  });
});
