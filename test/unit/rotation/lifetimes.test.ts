import { describe, expect, it } from 'vitest';
import type { Subject } from '../../../src/rotation/claims.js';
import {
  accessSpan,
  presentableUntil,
  refreshSpan,
  slidingState,
  slidSpan,
  type Lifetimes,
} from '../../../src/rotation/lifetimes.js';

const LIFETIMES: Lifetimes = {
  accessLifetimeSeconds: 900,
  refreshLifetimeSeconds: 43_200,
  slidingLifetimeSeconds: 600,
  leewaySeconds: 0,
};
const NAMES = { jti: 'jti', tokenType: 'token_type', userId: 'user_id', slidingEnd: 'refresh_exp' };
const sliding = (refreshExp: unknown): Subject => ({
  jti: 'a',
  userKey: undefined,
  issuedAtSeconds: 1,
  startSeconds: 1,
  expiresAtSeconds: 1_000,
  claims: refreshExp === undefined ? {} : { refresh_exp: refreshExp },
});

describe('the pair of a claim', () => {
  it('begins in the second of the claim and not in the next, whichever of the two is asked', () => {
    const atUs = 1_800_000_000_999_999;
    expect(refreshSpan(LIFETIMES, atUs, 0)).toEqual({
      issuedAtSeconds: 1_800_000_000,
      expiresAtSeconds: 1_800_043_200,
    });
    expect(accessSpan(LIFETIMES, atUs, 0, 'ff')).toEqual({
      issuedAtSeconds: 1_800_000_000,
      expiresAtSeconds: 1_800_000_900,
    });
    expect(slidSpan(LIFETIMES, atUs, 0, 'ff').expiresAtSeconds).toBe(1_800_000_600);
  });
});

describe('a sliding token', () => {
  it.each([
    [undefined, 'missing'],
    [2_000, 'open'],
    [1_500, 'over'],
    [true, 'over'],
    ['2000', 'unreadable'],
    [253_402_300_800, 'unreadable'],
  ])('with the end %s is %s at second 1500', (end, state) => {
    expect(slidingState(sliding(end), { ...LIFETIMES, names: NAMES }, 1_500_000_000)).toBe(state);
  });

  it('is over when the leeway is, and not before', () => {
    const lenient = { names: NAMES, leewaySeconds: 10 };
    expect(slidingState(sliding(1_500), lenient, 1_509_999_999)).toBe('open');
    expect(slidingState(sliding(1_500), lenient, 1_510_000_000)).toBe('over');
  });

  it('can be presented for as long as it slides; a date beyond all dates ends nothing', () => {
    expect(presentableUntil(sliding(undefined), NAMES)).toBe(1_000);
    expect(presentableUntil(sliding(2_000), NAMES)).toBe(2_000);
    expect(presentableUntil(sliding(500), NAMES)).toBe(1_000);
    expect(presentableUntil(sliding(253_402_300_800), NAMES)).toBe(1_000);
  });
});
