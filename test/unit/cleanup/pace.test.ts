import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterBatch, afterRefusal, pauseAfter, startPace, type Pace } from '../../../src/cleanup/pace.js';

const STEERED = { targetBatchMs: 25, nice: 4, batchSize: undefined };

/** A machine on which a batch costs so much by itself and so much a row. */
function settle(rowsPerMs: number, fixedMs: number, batches: number, from?: Pace): Pace {
  let pace = from ?? startPace(STEERED);
  for (let n = 0; n < batches; n++) {
    pace = afterBatch(STEERED, pace, { rows: pace.size, ms: fixedMs + pace.size / rowsPerMs });
  }
  return pace;
}

describe('the pace of a cleanup', () => {
  it('comes to batches of about the target, whatever the machine does', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 500, noNaN: true }),
        fc.double({ min: 0, max: 5, noNaN: true }),
        (rate, fixed) => {
          const { size } = settle(rate, fixed, 60);
          const ms = fixed + size / rate;
          expect(ms).toBeLessThan(25 * 1.1);
          if (size < 20_000) expect(ms).toBeGreaterThan(25 * 0.5);
        },
      ),
    );
  });

  it('follows a machine that becomes ten times slower within a few batches', () => {
    const fast = settle(100, 1, 30);
    const after = settle(10, 1, 5, fast);
    expect(1 + after.size / 10).toBeLessThan(25 * 3);
  });

  it('is always between one row and the most that a statement may take, and at most doubles', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.boolean()), { maxLength: 50 }),
        fc.option(fc.integer({ min: 1, max: 20_000 }), { nil: undefined }),
        (steps, batchSize) => {
          const settings = { ...STEERED, batchSize };
          let pace = startPace(settings);
          for (const [ms, refused] of steps) {
            const before = pace.size;
            pace = refused ? afterRefusal(pace) : afterBatch(settings, pace, { rows: pace.size, ms });
            expect(Number.isInteger(pace.size)).toBe(true);
            expect(pace.size).toBeGreaterThanOrEqual(1);
            expect(pace.size).toBeLessThanOrEqual(Math.min(20_000, before * 2));
            if (refused) expect(pace.size).toBe(Math.max(1, Math.floor(before / 2)));
          }
        },
      ),
    );
  });

  it('comes back to the size that was asked for after refusals', () => {
    const settings = { ...STEERED, batchSize: 700 };
    let pace = afterRefusal(afterRefusal(startPace(settings)));
    expect(pace.size).toBe(175);
    for (let n = 0; n < 3; n++) pace = afterBatch(settings, pace, { rows: pace.size, ms: 100 });
    expect(pace.size).toBe(700);
  });

  it('rests nice times what a batch took, longer under pressure, never without end', () => {
    expect(pauseAfter(STEERED, 25, 1)).toBe(100);
    expect(pauseAfter(STEERED, 25, 2)).toBe(200);
    expect(pauseAfter({ ...STEERED, nice: 0 }, 25, 1)).toBe(0);
    expect(pauseAfter({ ...STEERED, nice: 0 }, 25, 4)).toBe(0);
    expect(pauseAfter(STEERED, 60_000, 4)).toBe(5_000);
  });
});
