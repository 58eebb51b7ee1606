import { expect, it } from 'vitest';
import { Minute } from '../../../src/dashboard/browser/minute.js';

it("tells the busiest second of the last minute against the minute's mean", () => {
  const minute = new Minute();
  expect(minute.peak()).toBeUndefined();
  for (let at = 0; at < 60; at++) minute.add(at, at === 20 ? 70 : 10, 1);
  expect(minute.peak()).toEqual({ perSecond: 70, timesMean: 70 / 11 });
  // It was a minute ago.
  for (let at = 60; at <= 80; at++) minute.add(at, 10, 1);
  expect(minute.peak()).toEqual({ perSecond: 10, timesMean: 1 });
});

it('a snapshot that comes late has the refreshes of more than a second', () => {
  const minute = new Minute();
  minute.add(1, 10, 1);
  minute.add(3, 20, 2);
  expect(minute.peak()).toEqual({ perSecond: 10, timesMean: 1 });
});

it('begins anew where nothing came, or the clock was set back', () => {
  const minute = new Minute();
  minute.add(9, 10, 1);
  minute.add(5, 0, 1);
  expect(minute.peak()).toBeUndefined();
  minute.add(6, 4, 1);
  minute.clear();
  expect(minute.peak()).toBeUndefined();
});
