import { describe, expect, it } from 'vitest';
import { ROW_DATE_CHECKS } from '../../../src/doctor/checks/row-dates.js';
import type { Evidence } from '../../../src/doctor/index.js';

const HOUR_SECONDS = 3_600;
const ORDINARY = { marginSeconds: 0, extraSeconds: 0, lateSeconds: 0, zoneSeconds: undefined };

const judged = (rowDates: object | undefined) =>
  ROW_DATE_CHECKS.flatMap<unknown>((check) =>
    check.judge({
      database: {
        kind: 'reached',
        facts: { outstanding: true, blacklisted: true },
        readings: new Map([['row_dates', { value: rowDates }]]),
      },
    } as unknown as Evidence),
  );

describe("doctor's look at the dates of rows", () => {
  it('finds nothing where rows say what tokens say', () => {
    expect(judged(ORDINARY)).toEqual([]);
    expect(judged(undefined)).toEqual([{ unknown: 'there are no rows yet' }]);
  });

  it.each([
    [5, /5 h later .* west of UTC.* live again/],
    [-9, /9 h earlier .* east of UTC/],
    [3.5, /3\.5 h later/],
  ])('calls a zone that is %d h off a fault', (hours, what) => {
    const zone = { ...ORDINARY, zoneSeconds: hours * HOUR_SECONDS, extraSeconds: 6 * HOUR_SECONDS };
    expect(judged(zone)).toMatchObject([{ severity: 'fault', what: expect.stringMatching(what) as string }]);
  });

  it('notes tokens that were lengthened after their rows were made', () => {
    const longer = { ...ORDINARY, extraSeconds: 29 * 24 * HOUR_SECONDS };
    expect(judged(longer)).toMatchObject([
      { severity: 'note', what: expect.stringContaining('29.0 days longer') as string },
    ]);
    // Rows that serve dates later are none of these.
    const ours = { ...ORDINARY, marginSeconds: 6 * HOUR_SECONDS, extraSeconds: 6 * HOUR_SECONDS };
    expect(judged(ours)).toEqual([]);
  });
});
