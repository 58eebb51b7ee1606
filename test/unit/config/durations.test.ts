import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDuration, spokenDuration } from '../../../src/config/durations.js';
import { durationMs, durationSeconds } from '../../../src/config/kinds.js';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const units = fc.constantFrom(...(Object.keys(UNITS) as (keyof typeof UNITS)[]));

describe('durations', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
    ['0s', 0],
  ])('%s is %i ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it('any whole number with a unit is that many of the unit', () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), units, (count, unit) => {
        expect(parseDuration(`${count}${unit}`)).toBe(count * UNITS[unit]);
      }),
    );
  });

  it('is never anything but a safe whole number of milliseconds, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(fc.bigInt(), units).map(([n, u]) => `${n}${u}`),
        ),
        (text) => {
          const ms = parseDuration(text);
          if (ms !== undefined) expect(Number.isSafeInteger(ms) && ms >= 0).toBe(true);
        },
      ),
    );
  });

  it.each([
    '',
    '5',
    '5 s',
    ' 5s',
    '5S',
    '1.5h',
    '-1s',
    '+1s',
    '1h30m',
    '1w',
    'ms',
    '1e3s',
    '０s',
    '99999999999999d',
  ])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('keeps to its bounds, and to whole seconds where a token counts in them', () => {
    const grace = durationMs({ min: '0s', max: '60s' });
    expect(['0s', '60s', '60001ms', '2m'].map((text) => grace.parse(text))).toEqual([
      0,
      60_000,
      undefined,
      undefined,
    ]);
    const lifetime = durationSeconds({ min: '1s', max: '1d' });
    expect(['1s', '1500ms', '2000ms', '0s', '1d'].map((text) => lifetime.parse(text))).toEqual([
      1,
      undefined,
      2,
      undefined,
      86_400,
    ]);
  });
});

it.each([
  [1_000, '1 s'],
  [119_500, '120 s'],
  [3_600_000, '60 min'],
  [9_000_000, '2.5 hours'],
  [29 * 86_400_000, '29.0 days'],
])('says %d ms as %s, and never as nothing', (ms, said) => {
  expect(spokenDuration(ms)).toBe(said);
});
