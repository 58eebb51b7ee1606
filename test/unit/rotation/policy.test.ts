import { describe, expect, it } from 'vitest';
import { accessClaims, successorClaims } from '../../../src/rotation/claims.js';
import {
  accuses,
  dueTo,
  isMarked,
  OFFERED_CLAIMS,
  spends,
  type Due,
  type Rotation,
} from '../../../src/rotation/policy.js';

const NAMES = { jti: 'jti', tokenType: 'token_type', userId: 'user_id', slidingEnd: 'refresh_exp' };
const LOGIN = { token_type: 'refresh', exp: 2, iat: 1, jti: 'a', user_id: 7 };

describe('what is due to a token', () => {
  const CASES: readonly [Rotation, { marked: boolean; accepts: boolean }, Due][] = [
    ['on', { marked: false, accepts: false }, 'spend'],
    ['on', { marked: true, accepts: true }, 'spend'],
    ['off', { marked: false, accepts: true }, 'access_only'],
    ['off', { marked: true, accepts: true }, 'access_only'],
    ['keep', { marked: true, accepts: false }, 'reissue'],
    ['offered', { marked: false, accepts: false }, 'access_only'],
    ['offered', { marked: false, accepts: true }, 'spend'],
    // No downgrade: whoever leaves the header out is rotated all the same.
    ['offered', { marked: true, accepts: false }, 'spend'],
  ];
  it.each(CASES)('%s, %o: %s', (rotation, presented, due) => {
    expect(dueTo(rotation, presented)).toBe(due);
  });

  it('only a policy that spends tokens is ever due to spend one', () => {
    for (const rotation of ['on', 'off', 'keep', 'offered'] as const) {
      const dues = [true, false].flatMap((marked) =>
        [true, false].map((accepts) => dueTo(rotation, { marked, accepts })),
      );
      expect(dues.includes('spend')).toBe(spends(rotation));
    }
  });

  it('an unmarked token accuses nobody while a site moves, and everywhere else it does', () => {
    expect(accuses('offered', false)).toBe(false);
    expect(accuses('offered', true)).toBe(true);
    expect(accuses('on', false)).toBe(true);
  });
});

describe('the marker', () => {
  const span = { issuedAtSeconds: 3, expiresAtSeconds: 4 };

  it('is in the successor of an offered rotation, and stays in all that follow, under `on` too', () => {
    const marked = successorClaims(LOGIN, NAMES, { jti: 'b', ...span }, OFFERED_CLAIMS);
    expect(isMarked(marked)).toBe(true);
    expect(isMarked(successorClaims(marked, NAMES, { jti: 'c', ...span }))).toBe(true);
    expect(Object.keys(marked)).toEqual([...Object.keys(LOGIN), 'carelink_rotates']);
  });

  it('is in no access token', () => {
    const marked = successorClaims(LOGIN, NAMES, { jti: 'b', ...span }, OFFERED_CLAIMS);
    expect(accessClaims(marked, NAMES, { jti: 'x', ...span })).toEqual({
      token_type: 'access',
      exp: 4,
      iat: 3,
      jti: 'x',
      user_id: 7,
    });
  });

  it('is true and nothing else: a site may have a claim of the name', () => {
    for (const value of ['true', 1, {}, null]) expect(isMarked({ carelink_rotates: value })).toBe(false);
  });
});
