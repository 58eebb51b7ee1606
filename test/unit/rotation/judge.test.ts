import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judge, REPEAT_IS_NO_REUSE_US, type Presentation } from '../../../src/rotation/judge.js';
import type { TokenState } from '../../../src/rotation/ports.js';

const CLAIMED_AT = 1_800_000_000_000_000;
const SECOND = 1_000_000;

const state = (
  over: Partial<TokenState> & { ageUs?: number; used?: boolean; createdAtUs?: number } = {},
): TokenState => ({
  row: { id: '1', blacklistedAtUs: CLAIMED_AT },
  successor: {
    id: '2',
    jti: 'next',
    token: 'next.token.text',
    createdAtUs: over.createdAtUs ?? CLAIMED_AT,
    blacklisted: over.used ?? false,
  },
  standing: 'good',
  readAtUs: CLAIMED_AT + (over.ageUs ?? SECOND),
  ...over,
});

const presented = (over: Partial<Presentation> = {}): Presentation => ({
  arrivedAtUs: CLAIMED_AT + SECOND,
  ownClaimAtUs: undefined,
  overlapped: false,
  graceUs: 0,
  claimWaitUs: 0,
  ...over,
});

describe('a token without a blacklist row', () => {
  it('is unspent, whether it has a row or not', () => {
    expect(judge(state({ row: undefined }), presented()).kind).toBe('unspent');
    expect(judge(state({ row: { id: '1', blacklistedAtUs: undefined } }), presented()).kind).toBe('unspent');
  });
});

describe('a logged-out token', () => {
  it('is never replayed and never counted as reuse, however late, inside a grace or not', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 100 * SECOND }),
        fc.integer({ min: 0, max: 60 * SECOND }),
        fc.boolean(),
        (ageUs, graceUs, overlapped) => {
          const loggedOut = state({ successor: undefined, ageUs });
          expect(judge(loggedOut, presented({ graceUs, overlapped })).kind).toBe('blacklisted');
        },
      ),
    );
  });
});

describe('a marked rotation', () => {
  it('is replayed inside the grace, to the microsecond, and not after it', () => {
    const graceUs = 10 * SECOND;
    expect(judge(state({ ageUs: graceUs }), presented({ graceUs })).kind).toBe('replay');
    expect(judge(state({ ageUs: graceUs + 1 }), presented({ graceUs })).kind).toBe('reuse');
  });

  it('is not replayed once its successor was used', () => {
    expect(judge(state({ used: true }), presented({ graceUs: 10 * SECOND })).kind).toBe('blacklisted');
  });

  it('is not replayed to a deactivated or revoked user', () => {
    const graceUs = 10 * SECOND;
    expect(judge(state({ standing: 'inactive' }), presented({ graceUs })).kind).toBe('inactive');
    expect(judge(state({ standing: 'gone' }), presented({ graceUs })).kind).toBe('inactive');
    expect(judge(state({ standing: 'revoked' }), presented({ graceUs })).kind).toBe('blacklisted');
  });

  it('without a grace: one that overlapped the winner is told so, a later one is refused', () => {
    expect(judge(state({ ageUs: 5 }), presented({ overlapped: true })).kind).toBe('in_progress');
    expect(judge(state({ ageUs: 5 }), presented({ arrivedAtUs: CLAIMED_AT })).kind).toBe('in_progress');
    expect(judge(state({ ageUs: 5 }), presented({ arrivedAtUs: CLAIMED_AT + 1 })).kind).toBe('blacklisted');
  });

  it('is no reuse within two seconds or the grace, whichever is longer', () => {
    const at = (ageUs: number, graceUs: number) =>
      judge(state({ ageUs, used: true }), presented({ graceUs })).kind;
    expect(at(REPEAT_IS_NO_REUSE_US, 0)).toBe('blacklisted');
    expect(at(REPEAT_IS_NO_REUSE_US + 1, 0)).toBe('reuse');
    expect(at(30 * SECOND, 30 * SECOND)).toBe('blacklisted');
    expect(at(30 * SECOND + 1, 30 * SECOND)).toBe('reuse');
  });
});

describe('a claim that waited for the database', () => {
  it('makes its rotation younger than its marker: a repeat is no reuse for so much longer', () => {
    const at = (ageUs: number) =>
      judge(state({ ageUs, used: true }), presented({ claimWaitUs: 5 * SECOND })).kind;
    expect(at(REPEAT_IS_NO_REUSE_US + 5 * SECOND)).toBe('blacklisted');
    expect(at(REPEAT_IS_NO_REUSE_US + 5 * SECOND + 1)).toBe('reuse');
  });
});

describe('a claim whose answer got lost', () => {
  it('is resumed by its marker at grace 0, however late', () => {
    const late = state({ ageUs: 3600 * SECOND });
    expect(judge(late, presented({ ownClaimAtUs: CLAIMED_AT }))).toMatchObject({
      kind: 'replay',
      claimedAtUs: CLAIMED_AT,
    });
  });

  it('is not resumed where another claim spent the token', () => {
    const late = state({ ageUs: 3600 * SECOND });
    expect(judge(late, presented({ ownClaimAtUs: CLAIMED_AT - 1 })).kind).toBe('reuse');
  });

  it('is not resumed once its successor was used', () => {
    const used = state({ ageUs: 3600 * SECOND, used: true });
    expect(judge(used, presented({ ownClaimAtUs: CLAIMED_AT })).kind).toBe('reuse');
  });
});

describe('a successor that another claim made', () => {
  it('is reuse at once, whether it is used or not, and at any grace', () => {
    for (const used of [true, false]) {
      const second = state({ createdAtUs: CLAIMED_AT - 1, used, ageUs: 5 });
      expect(judge(second, presented({ graceUs: 60 * SECOND, ownClaimAtUs: CLAIMED_AT }))).toEqual({
        kind: 'reuse',
        reuse: 'second_claim',
      });
    }
  });
});
