import { expect, it } from 'vitest';
import { isFresh } from '../../src/client/clock.js';
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
