import { describe, expect, it } from 'vitest';
import { refusalOf, standingOf } from '../../../src/rotation/standing.js';

describe("the standing of a token's user", () => {
  it.each([
    [true, false, 'good'],
    [null, null, 'good'],
    [false, false, 'inactive'],
    [true, true, 'revoked'],
    // As Django: whether the token is blacklisted is asked before the user is.
    [false, true, 'revoked'],
  ] as const)('active %s and revoked %s is %s', (active, revoked, standing) => {
    expect(standingOf({ active, revoked })).toBe(standing);
  });

  it('is told as Django tells it: a user that is gone and one that is inactive get the same answer', () => {
    expect(refusalOf('revoked')).toEqual({ kind: 'blacklisted' });
    expect(refusalOf('gone')).toEqual({ kind: 'inactive' });
    expect(refusalOf('inactive')).toEqual({ kind: 'inactive' });
  });
});
