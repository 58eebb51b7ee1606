import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Subject } from '../../../src/rotation/claims.js';
import {
  accessSpan,
  isSessionOver,
  presentableUntil,
  refreshSpan,
  remainingSeconds,
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

describe('a session that may last so long and no longer', () => {
  const times = fc.record({
    accessLifetimeSeconds: fc.integer({ min: 1, max: 100_000 }),
    refreshLifetimeSeconds: fc.integer({ min: 1, max: 100_000 }),
    slidingLifetimeSeconds: fc.integer({ min: 1, max: 100_000 }),
    leewaySeconds: fc.constantFrom(0, 60),
    sessionLifetimeSeconds: fc.option(fc.integer({ min: 1, max: 100_000 }), { nil: undefined }),
    lifetimeSpread: fc.double({ min: 0, max: 0.5, noNaN: true }),
  });
  const id = fc.oneof(fc.stringMatching(/^[0-9a-f]{32}$/), fc.string());
  const start = 1_800_000_000;

  it('ends all its tokens in the same second, and none is made longer by the spread', () => {
    fc.assert(
      fc.property(times, id, fc.integer({ min: 0, max: 200_000_000_000 }), (lifetimes, jti, ageUs) => {
        const nowUs = start * 1_000_000 + ageUs;
        fc.pre(!isSessionOver(lifetimes, { startSeconds: start }, nowUs));
        const { sessionLifetimeSeconds = Infinity, lifetimeSpread } = lifetimes;
        const spans = [
          [refreshSpan(lifetimes, nowUs, start), lifetimes.refreshLifetimeSeconds, 0],
          [accessSpan(lifetimes, nowUs, start, jti), lifetimes.accessLifetimeSeconds, lifetimeSpread],
          [slidSpan(lifetimes, nowUs, start, jti), lifetimes.slidingLifetimeSeconds, lifetimeSpread],
        ] as const;
        for (const [{ issuedAtSeconds, expiresAtSeconds }, lifetimeSeconds, spread] of spans) {
          const most = Math.min(issuedAtSeconds + lifetimeSeconds, start + sessionLifetimeSeconds);
          const least = Math.min(
            issuedAtSeconds + lifetimeSeconds * (1 - spread),
            start + sessionLifetimeSeconds,
          );
          expect(expiresAtSeconds).toBeLessThanOrEqual(most);
          expect(expiresAtSeconds).toBeGreaterThanOrEqual(least);
          expect(expiresAtSeconds).toBeGreaterThan(issuedAtSeconds);
          expect(Number.isInteger(expiresAtSeconds)).toBe(true);
          expect(remainingSeconds(expiresAtSeconds, nowUs)).toBe(expiresAtSeconds - issuedAtSeconds);
        }
      }),
    );
  });

  it('is over in that second and not before, and where nobody knows when it began', () => {
    const lifetimes = { ...LIFETIMES, leewaySeconds: 60, sessionLifetimeSeconds: 1_000 };
    const isOver = (nowUs: number, startSeconds?: number) =>
      isSessionOver(lifetimes, { startSeconds }, nowUs);
    expect(isOver((start + 1_000) * 1_000_000 - 1, start)).toBe(false);
    expect(isOver((start + 1_000) * 1_000_000, start)).toBe(true);
    expect(isOver(start * 1_000_000)).toBe(true);
    expect(isSessionOver(LIFETIMES, { startSeconds: 0 }, start * 1_000_000)).toBe(false);
  });
});

describe('a spread of lifetimes', () => {
  const spread = { ...LIFETIMES, lifetimeSpread: 0.3 };
  const lifeOf = (jti: string) => accessSpan(spread, 0, 0, jti).expiresAtSeconds;

  it('takes its share from the id: none of it for the least, nearly all for the greatest', () => {
    expect(lifeOf('00000000' + 'f'.repeat(24))).toBe(900);
    expect(lifeOf('80000000' + 'f'.repeat(24))).toBe(765);
    expect(lifeOf('ffffffff' + '0'.repeat(24))).toBe(631);
    // What no uuid is shortens nothing, and lengthens nothing.
    for (const id of ['', 'zz', '-fffffff']) expect(lifeOf(id)).toBe(900);
  });

  it('leaves refresh tokens as long as they are: it is not by them that clients refresh', () => {
    expect(refreshSpan(spread, 0, 0)).toEqual(refreshSpan(LIFETIMES, 0, 0));
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
