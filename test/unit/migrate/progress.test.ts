import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  advance,
  type BuildProgress,
  type BuildSample,
  startTracking,
} from '../../../src/migrate/progress.js';
import { pauseBefore } from '../../../src/migrate/retry.js';

const sample = (more: Partial<BuildSample>): BuildSample => ({
  atMs: 0,
  phase: 'building index: scanning table',
  blocksTotal: 0,
  blocksDone: 0,
  tuplesTotal: 0,
  tuplesDone: 0,
  lockersTotal: 0,
  lockersDone: 0,
  blockBytes: 8192,
  blockers: [],
  ...more,
});

const follow = (samples: readonly BuildSample[]): BuildProgress[] => {
  let tracker = startTracking(0);
  return samples.map((one) => {
    const [next, progress] = advance(tracker, one);
    tracker = next;
    return progress;
  });
};

describe('the progress of a build', () => {
  it('has a speed between two looks at one phase, and a time that is left', () => {
    const [, second] = follow([
      sample({ atMs: 0, blocksTotal: 1000, blocksDone: 0 }),
      sample({ atMs: 2_000, blocksTotal: 1000, blocksDone: 500 }),
    ]);
    expect(second).toMatchObject({
      percent: 22.5,
      bytesPerSecond: 250 * 8192,
      elapsedMs: 2_000,
      waitingMs: 0,
    });
    expect(second?.remainingMs).toBeCloseTo((2_000 * 77.5) / 22.5);
  });

  it('is told from the beginning of the build, not from the first look', () => {
    const [first] = follow([sample({ atMs: 500, blocksTotal: 1000, blocksDone: 500 })]);
    expect(first).toMatchObject({ elapsedMs: 500, bytesPerSecond: undefined });
    expect(first?.remainingMs).toBeCloseTo((500 * 77.5) / 22.5);
  });

  it('counts the time that it waits apart from the time that it works', () => {
    const waits = { phase: 'waiting for old snapshots' };
    const progress = follow([
      sample({ atMs: 0, blocksTotal: 100 }),
      sample({ atMs: 1_000, blocksTotal: 100, blocksDone: 50 }),
      sample({ atMs: 2_000, ...waits }),
      sample({ atMs: 62_000, ...waits }),
      sample({ atMs: 63_000, phase: 'index validation: scanning table', blocksTotal: 100, blocksDone: 100 }),
    ]);
    expect(progress[3]).toMatchObject({ waitingMs: 60_000, remainingMs: undefined });
    // 98 % after 2 s of work: the minute of waiting says nothing about the speed.
    expect(progress[4]?.remainingMs).toBeLessThan(100);
    expect(progress[4]?.waitingMs).toBe(0);
  });

  it('is "waiting for the table" before the statement has its lock', () => {
    expect(follow([sample({ phase: undefined })])[0]).toMatchObject({
      phase: 'waiting for the table',
      percent: 0,
    });
  });

  it('never falls, never leaves 0 to 100, and never promises a negative time', () => {
    const phases = fc.constantFrom(
      undefined,
      'initializing',
      'building index: scanning table',
      'building index: sorting live tuples',
      'index validation: scanning table',
      'waiting for old snapshots',
      'a phase of a later PostgreSQL',
    );
    const step = fc.record({
      phase: phases,
      later: fc.nat(10_000),
      blocksTotal: fc.nat(1000),
      blocksDone: fc.nat(2000),
      tuplesTotal: fc.nat(1000),
      tuplesDone: fc.nat(2000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let atMs = 0;
        const samples = steps.map(({ later, ...more }) => sample({ ...more, atMs: (atMs += later) }));
        let percent = 0;
        for (const progress of follow(samples)) {
          expect(progress.percent).toBeGreaterThanOrEqual(percent);
          expect(progress.percent).toBeLessThan(100);
          expect(progress.remainingMs ?? 0).toBeGreaterThanOrEqual(0);
          expect(progress.waitingMs).toBeLessThanOrEqual(progress.elapsedMs);
          ({ percent } = progress);
        }
      }),
    );
  });
});

describe('the pause before another try', () => {
  it('is ten times the stall at least, grows, and has a bound', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, random) => {
          const pause = pauseBefore(attempt, random);
          expect(pause).toBeGreaterThanOrEqual(500);
          expect(pause).toBeLessThanOrEqual(10_000);
          expect(pauseBefore(attempt + 1, random)).toBeGreaterThanOrEqual(pause);
        },
      ),
    );
  });
});
