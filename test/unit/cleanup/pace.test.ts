import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  afterBatch,
  afterRefusal,
  estimate,
  pauseAfter,
  startPace,
  type Pace,
} from '../../../src/cleanup/pace.js';

const STEERED = { targetBatchMs: 25, nice: 4, batchSize: undefined };

/** Of one machine, without a way to it. */
const took = (ms: number) => ({ ms, workedMs: ms });

/** A machine on which a batch costs so much by itself and so much a row, and which is so far away. */
function settle(rowsPerMs: number, fixedMs: number, batches: number, from?: Pace, tripMs = 0): Pace {
  let pace = from ?? startPace(STEERED);
  for (let n = 0; n < batches; n++) {
    const workedMs = fixedMs + pace.size / rowsPerMs;
    pace = afterBatch(STEERED, pace, pace.size, { ms: workedMs + 4 * tripMs, workedMs });
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

  it('takes batches of the same size however far away the database is', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 500, noNaN: true }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        (rate, tripMs) => {
          const [near, far] = [settle(rate, 1, 60), settle(rate, 1, 60, undefined, tripMs)];
          expect(far.size / near.size).toBeGreaterThan(0.9);
          expect(far.size / near.size).toBeLessThan(1.1);
        },
      ),
    );
  });

  it('is not led astray by trips that are slow now and then, nor by a clock that is set', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            tripsMs: fc.double({ min: 0, max: 200, noNaN: true }),
            stepMs: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 0, -3_600_000, 3_600_000),
          }),
          { minLength: 40, maxLength: 60 },
        ),
        (batches) => {
          let pace = startPace(STEERED);
          for (const { tripsMs, stepMs } of batches) {
            const workedMs = pace.size / 50;
            const ms = workedMs + tripsMs;
            pace = afterBatch(STEERED, pace, pace.size, { ms, workedMs: workedMs + stepMs });
            expect(pace.workMs).toBeGreaterThan(0);
            expect(pace.workMs).toBeLessThanOrEqual(ms);
          }
          for (let n = 0; n < 20; n++)
            pace = afterBatch(STEERED, pace, pace.size, { ms: 200, workedMs: pace.size / 50 });
          expect(pace.size / 50).toBeLessThan(25 * 1.1);
          expect(pace.size / 50).toBeGreaterThan(25 * 0.7);
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
            pace = refused ? afterRefusal(pace) : afterBatch(settings, pace, pace.size, took(ms));
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
    for (let n = 0; n < 3; n++) pace = afterBatch(settings, pace, pace.size, took(100));
    expect(pace.size).toBe(700);
  });

  it('rests nice times what a batch worked, longer under pressure, never without end', () => {
    const worked = (workMs: number) => ({ ...startPace(STEERED), workMs });
    expect(pauseAfter(STEERED, worked(25), 25, 1)).toBe(100);
    expect(pauseAfter(STEERED, worked(25), 25, 2)).toBe(200);
    expect(pauseAfter({ ...STEERED, nice: 0 }, worked(25), 25, 1)).toBe(0);
    expect(pauseAfter({ ...STEERED, nice: 0 }, worked(25), 25, 4)).toBe(0);
    expect(pauseAfter(STEERED, worked(60_000), 60_000, 4)).toBe(5_000);
    // The trips of a batch are rest: of 100 ms that are due 40 are over.
    expect(pauseAfter(STEERED, worked(25), 65, 1)).toBe(60);
    expect(pauseAfter(STEERED, worked(25), 500, 1)).toBe(0);
  });

  it('foretells what it does, near and far', () => {
    const at = (tripMs: number) => estimate(STEERED, 1_000_000, { rowMs: 0.05, tripMs, trips: 4 });
    // A fifth of the time at work.
    expect(at(0)).toBeCloseTo(1_000_000 * 0.05 * 5, -2);
    // 400 rows a batch, 20 ms of work, and the trips are within the rest.
    expect(at(5)).toBeCloseTo(at(0), -2);
    expect(at(50)).toBeCloseTo((1_000_000 / 400) * 220, -2);
    expect(estimate(STEERED, 10, { rowMs: 0.05, tripMs: 0, trips: 4 })).toBeCloseTo(2.5);
  });
});
