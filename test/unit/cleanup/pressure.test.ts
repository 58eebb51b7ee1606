import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge, type Reading } from '../../../src/cleanup/pressure.js';

const CALM: Reading = {
  standby: undefined,
  waitingSessions: 0,
  oldestSnapshotMs: 100,
  deadRows: 50_000,
  liveRows: 1_000_000,
  indexBuild: undefined,
  canaryMs: 0.3,
  canaryBaselineMs: 0.2,
};
const MIB = 1024 * 1024;

describe('what a cleanup gives way to', () => {
  it('goes at its own pace where nothing is in the way', () => {
    expect(judge(CALM)).toEqual({ slowdown: 1, reasons: [] });
  });

  it.each<[string, Partial<Reading>, number, RegExp]>([
    [
      'a standby that is behind',
      { standby: { name: 'b', lagBytes: 20 * MIB } },
      4,
      /standby b is 20 MiB behind .*--ignore-standby b/,
    ],
    [
      'a standby that is far behind',
      { standby: { name: 'b', lagBytes: 200 * MIB } },
      Infinity,
      /200 MiB behind/,
    ],
    ['a few sessions that wait', { waitingSessions: 3 }, 4, /3 sessions wait/],
    ['a queue of them', { waitingSessions: 12 }, Infinity, /12 sessions wait/],
    ['a report', { oldestSnapshotMs: 10 * 60_000 }, 2, /10 min old/],
    ['a forgotten transaction', { oldestSnapshotMs: 600 * 60_000 }, 4, /600 min old/],
    ['dead rows', { deadRows: 2_000_000 }, 2, /67 % of the table/],
    ['an index build', { indexBuild: 'tokens' }, Infinity, /being built on tokens/],
    ['slower look-ups', { canaryMs: 6, canaryBaselineMs: 1.5 }, 2, /takes 6\.0 ms, and took 1\.5/],
    ['much slower look-ups', { canaryMs: 60, canaryBaselineMs: 1.5 }, 4, /takes 60\.0 ms/],
  ])('%s', (_, change, slowdown, reason) => {
    const pressure = judge({ ...CALM, ...change });
    expect(pressure.slowdown).toBe(slowdown);
    expect(pressure.reasons.join()).toMatch(reason);
  });

  it('is not moved by noise: slower look-ups that are fast all the same', () => {
    expect(judge({ ...CALM, canaryMs: 4, canaryBaselineMs: 0.1 })).toEqual({ slowdown: 1, reasons: [] });
  });

  it('takes the strongest of several, tells each, and always has a reason', () => {
    fc.assert(
      fc.property(
        fc.record({
          standby: fc.option(fc.record({ name: fc.constant('b'), lagBytes: fc.nat() }), { nil: undefined }),
          waitingSessions: fc.nat(30),
          oldestSnapshotMs: fc.nat(1e8),
          deadRows: fc.nat(),
          liveRows: fc.nat(),
          indexBuild: fc.option(fc.constant('t'), { nil: undefined }),
          canaryMs: fc.double({ min: 0, max: 1e4, noNaN: true }),
          canaryBaselineMs: fc.double({ min: 0, max: 1e4, noNaN: true }),
        }),
        (reading) => {
          const { slowdown, reasons } = judge(reading);
          expect(slowdown > 1).toBe(reasons.length > 0);
          if (reading.indexBuild !== undefined) expect(slowdown).toBe(Infinity);
        },
      ),
    );
  });
});
