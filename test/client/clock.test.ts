import { expect, it, vi } from 'vitest';
import { backoffMs } from '../../src/client/backoff.js';
import { endOf, isFresh, refreshAtMs } from '../../src/client/clock.js';
import { mintRefresh } from '../support/tokens.js';

const NOW_MS = 1_800_000_000_000;

it.each([
  ['just issued', 0, true],
  ['issued a minute ago', -60, false],
  // The clock was ahead when the server's was last seen, and has been set right since.
  ['issued ten minutes from now', 600, false],
])('a 401 for a token that was %s: is another of no use? %s', (_, issuedInSeconds, fresh) => {
  const { token: access } = mintRefresh({
    tokenType: 'access',
    userId: 1,
    iatSeconds: NOW_MS / 1000 + issuedInSeconds,
    lifetimeSeconds: 900,
  });
  const session = { id: '1', generation: 1, access, refresh: undefined, skewMs: 0 };
  expect(isFresh(session, NOW_MS)).toBe(fresh);
});

/** As a refresh under way would have it. */
function sessionOf(life: number, more: object = {}) {
  const iatSeconds = NOW_MS / 1000;
  const { token: access } = mintRefresh({ tokenType: 'access', iatSeconds, lifetimeSeconds: life });
  return { id: '1', generation: 1, access, skewMs: 0, ...more };
}

it.each([
  [900, 120],
  [300, 60],
  [10, 2],
])('a token of %i s is refreshed at some moment of the first half of its last %i s', (life, lead) => {
  const moments = Array.from({ length: 2_000 }, () => (refreshAtMs(sessionOf(life)) - NOW_MS) / 1000);
  const [first, last] = [Math.min(...moments), Math.max(...moments)];
  expect(first).toBeGreaterThanOrEqual(life - lead);
  expect(last).toBeLessThanOrEqual(life - lead / 2);
  // Each tenth of that time has its part of them: 200, and 7 standard deviations of it.
  const tenths = new Array<number>(10).fill(0);
  for (const moment of moments) {
    const at = Math.min(9, Math.floor((10 * (moment - life + lead)) / (lead / 2)));
    tenths[at] = tenths[at]! + 1;
  }
  for (const count of tenths) expect(Math.abs(count - 200)).toBeLessThan(94);
});

it('the moment is the same for whoever holds the token, by its own clock', () => {
  const session = sessionOf(900);
  expect(refreshAtMs({ ...session, skewMs: 5_000 })).toBe(refreshAtMs(session) - 5_000);
});

it('a session that can not be prolonged is left alone until its last token expires', () => {
  const endsMs = NOW_MS + 900_000;
  const at = (life: number, last: boolean) => refreshAtMs(sessionOf(life, { endsMs, last }));
  expect(at(900, true)).toBe(endsMs);
  // Its token was cut shorter by a spread, so there is another one to be had.
  expect(at(600, true)).toBeLessThanOrEqual(NOW_MS + 540_000);
  expect(at(900, false)).toBeLessThanOrEqual(NOW_MS + 840_000);
});

it('the end of a session is that of its refresh token, unless the server says another', () => {
  const { token: refresh, expSeconds } = mintRefresh({ iatSeconds: 1_000 });
  expect(endOf({ refresh })).toBe(expSeconds * 1000);
  // A token that is kept may outlast its session.
  expect(endOf({ refresh, endsMs: 7 })).toBe(7);
  expect(endOf({ refresh: 'opaque', endsMs: 7 })).toBe(7);
  expect(endOf({})).toBeUndefined();
});

it.each([
  [0, 0, 125, 250],
  [6, 0, 4_000, 8_000],
  [0, 1_000, 1_000, 2_000],
  [6, 1_000, 1_000, 9_000],
])('try %i after a rest of %i ms asked for: somewhere from %i to %i ms', (tries, askedMs, from, to) => {
  const at = (drawn: number): number => {
    const random = vi.spyOn(Math, 'random').mockReturnValue(drawn);
    try {
      return backoffMs(tries, askedMs);
    } finally {
      random.mockRestore();
    }
  };
  expect([at(0), at(1)]).toEqual([from, to]);
});
