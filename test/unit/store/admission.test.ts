import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Admission, admits, MAX_WAIT_MS, type Backlog } from '../../../src/store/admission.js';
import { FEW_ITEMS, StatementTime } from '../../../src/store/statement-time.js';

const backlog = fc.record<Backlog>({
  waiting: fc.nat(20_000),
  out: fc.nat(2_000),
  lanes: fc.integer({ min: 1, max: 8 }),
  freeLanes: fc.nat(1),
  maxBatch: fc.integer({ min: 1, max: 1_000 }),
  fixedMs: fc.double({ min: 0, max: 5_000, noNaN: true }),
  perItemMs: fc.double({ min: 0, max: 100, noNaN: true }),
});
const leftMs = fc.double({ min: 0, max: 60_000, noNaN: true });

describe('what is let in', () => {
  it('is never more where more wait, where statements take longer, or where less time is left', () => {
    fc.assert(
      fc.property(backlog, leftMs, fc.nat(1_000), fc.nat(100), (one, left, more, slower) => {
        const worse = [
          admits({ ...one, waiting: one.waiting + more }, MAX_WAIT_MS, left),
          admits({ ...one, out: one.out + more }, MAX_WAIT_MS, left),
          admits({ ...one, perItemMs: one.perItemMs + slower }, MAX_WAIT_MS, left),
          admits({ ...one, fixedMs: one.fixedMs + slower }, MAX_WAIT_MS, left),
          admits(one, MAX_WAIT_MS, left - slower),
        ];
        if (!admits(one, MAX_WAIT_MS, left)) expect(worse).toEqual(worse.map(() => false));
      }),
    );
  });

  it('is whatever comes while next to nothing is under way: or a time that was measured once would stand for good', () => {
    fc.assert(
      fc.property(backlog, leftMs, (one, left) => {
        expect(admits({ ...one, waiting: 0, out: one.lanes }, MAX_WAIT_MS, left)).toBe(true);
      }),
    );
  });

  it('is everything that the next round of statements takes, however slow a commit is, if the deadline allows', () => {
    fc.assert(
      fc.property(backlog, (one) => {
        const round = { ...one, perItemMs: 0, waiting: one.lanes * one.maxBatch - 1 };
        expect(admits(round, MAX_WAIT_MS, 2 * one.fixedMs)).toBe(true);
      }),
    );
  });

  it('is bounded by time where each row takes its time: at 4 ms a row two lanes hold as much as they do in it', () => {
    const at = (waiting: number) =>
      admits(
        { waiting, out: 0, lanes: 2, freeLanes: 0, maxBatch: 200, fixedMs: 2, perItemMs: 4 },
        MAX_WAIT_MS,
        5_000,
      );
    const most = (2 * MAX_WAIT_MS) / 4;
    expect([at(most), at(most + 1)]).toEqual([true, false]);
  });
});

describe('the time of statements', () => {
  it('is told apart: what one costs by itself, and what each item adds', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 2_000, noNaN: true }),
        fc.double({ min: 0, max: 20, noNaN: true }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 60 }),
        (fixedMs, perItemMs, sizes) => {
          const time = new StatementTime();
          for (const size of [1, 200, ...sizes]) time.observe(size, fixedMs + perItemMs * size, 0);
          expect(time.fixedMs).toBeCloseTo(fixedMs, 3);
          expect(time.perItemMs).toBeCloseTo(perItemMs, 3);
        },
      ),
    );
  });

  it('follows a database that turns slow within a few statements', () => {
    const time = new StatementTime();
    for (let n = 0; n < 50; n++) time.observe(n % 2 === 0 ? 1 : 100, n % 2 === 0 ? 1 : 5, n);
    for (let n = 0; n < 8; n++) time.observe(n % 2 === 0 ? 1 : 100, n % 2 === 0 ? 10 : 1_000, 50 + n);
    expect(time.of(100)).toBeGreaterThan(700);
  });

  it('is measured anew with a small statement now and then, and of a slow one less often', () => {
    const time = new StatementTime();
    expect(time.wantsFew(0)).toBe(true);
    time.observe(FEW_ITEMS, 1_000, 0);
    expect([time.wantsFew(2_001), time.wantsFew(39_000), time.wantsFew(40_001)]).toEqual([
      false,
      false,
      true,
    ]);
  });
});

describe('a queue', () => {
  const options = { lanes: 2, maxBatch: 200, maxWaitMs: MAX_WAIT_MS };

  it('takes a statement that is still out for as slow as it has been, though none was before', () => {
    const admission = new Admission(options);
    admission.sends(5, 0)(true, 2);
    admission.sends(100, 10);
    admission.sends(100, 10);
    // Two rounds of the lanes wait: each would take as long as this one has been out.
    expect([admission.takes(900, 5_000, 20), admission.takes(900, 5_000, 1_500)]).toEqual([true, false]);
  });

  it('does not take for the time of a statement what its answer waited to be read', () => {
    let lagMs = 0;
    const admission = new Admission({ ...options, lagMs: () => lagMs });
    admission.sends(5, 0)(true, 2);
    for (let n = 0; n < 10; n++) admission.sends(200, n)(true, n + 12);
    lagMs = 400;
    for (let n = 0; n < 10; n++) admission.sends(200, n)(true, n + 412);
    lagMs = 0;
    expect(admission.takes(2_000, 5_000, 20)).toBe(true);
  });

  it('sends larger statements while answers wait to be read: each then comes once in that time', () => {
    let lagMs = 0;
    const admission = new Admission({ ...options, lagMs: () => lagMs });
    admission.sends(5, 0)(true, 2);
    admission.sends(200, 0)(true, 12);
    const usual = admission.batchOf(5_000, 1);
    lagMs = 300;
    expect([usual, admission.batchOf(5_000, 1)]).toEqual([200, 800]);
  });

  it('tries no statement that is many times as large as those before it, nor one that takes too long', () => {
    const admission = new Admission(options);
    const sizes = [0, 1, 2, 3, 4].map((n) => {
      const size = admission.batchOf(5_000, n);
      admission.sends(size, n)(true, n + 5 * size);
      return size;
    });
    expect(sizes.slice(0, 2)).toEqual([8, 32]);
    // 5 ms a row: 50 rows are as long as anybody may wait.
    expect(Math.max(...sizes)).toBeLessThanOrEqual(50);
  });
});
