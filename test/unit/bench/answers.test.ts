import { describe, expect, it } from 'vitest';
import { judgeAnswers, type AnswerFacts, type OfferedFacts } from '../../../src/bench/answers.js';

const GOOD: AnswerFacts = {
  rotation: 'on',
  users: 100,
  refreshes: 10_000,
  requests: 10_050,
  successes: 10_000,
  forks: 0,
  unrotated: 0,
  shared: 0,
  lostSessions: 0,
  errors: new Map(),
  offered: undefined,
};

/** 8,000/s of which half came through. */
const HALF: OfferedFacts = {
  perSecond: 8_000,
  achievedPerSecond: 3_993,
  backlog: 9_000,
  waitMeanMs: 6_600,
  serviceMeanMs: 25,
  serverMeanMs: 20,
};

const judged = (facts: Partial<AnswerFacts>) => judgeAnswers({ ...GOOD, ...facts });

describe("a run's answers", () => {
  it('are right where nothing is wrong with them, or with no more than 1 %', () => {
    expect(judged({})).toBeUndefined();
    expect(judged({ errors: new Map([['HTTP 429', 100]]), lostSessions: 1, unrotated: 100 })).toBeUndefined();
    expect(judged({ offered: { ...HALF, backlog: 100 } })).toBeUndefined();
  });

  it.each<[string, Partial<AnswerFacts>, RegExp]>([
    ['one fork', { forks: 1 }, /^1 tokens were rotated twice/],
    ['most refused', { errors: new Map([['HTTP 429', 522], ['HTTP 500', 3]]), requests: 791 }, /^525 of 791 requests .*\(HTTP 429: 522, HTTP 500: 3\)\. A throttle/],
    ['broken connections', { errors: new Map([['ECONNRESET', 101]]) }, /^101 of 10050 requests .*\(ECONNRESET: 101\)\.$/],
    ['sessions that are lost', { lostSessions: 18, users: 20, errors: new Map([['HTTP 401', 18]]) }, /^18 times a session was refused for good .*\(HTTP 401: 18\)/],
    ['no new token', { unrotated: 10_000 }, /^10000 of 10000 answers held no new refresh token.*--rotation off/],
    ['one token for everybody', { shared: 9_999 }, /another session had just been given/],
  ])('are wrong with %s', (_, facts, because) => {
    expect(judged(facts)).toMatchObject({ kind: 'wrong', because: expect.stringMatching(because) as string });
  }); // prettier-ignore

  it('may be what a policy means', () => {
    expect(judged({ rotation: 'off', unrotated: 10_000 })).toBeUndefined();
    expect(judged({ rotation: 'keep', forks: 5 })).toBeUndefined();
    expect(judged({ rotation: 'keep', unrotated: 10_000 })).toMatchObject({ kind: 'wrong' });
  });
});

describe('an open loop', () => {
  it('that offers more than is answered says so, with what was reached and who waited', () => {
    expect(judged({ offered: HALF })).toEqual({
      kind: 'overloaded',
      because:
        'Of 8000 refreshes/s that were offered 3993/s were reached. 9000 still waited for one of 100 sessions when the time was up; a wait took 6600 ms. The target is overloaded at this rate.',
    });
    expect(judged({ offered: { ...HALF, serverMeanMs: undefined } })).toMatchObject({ kind: 'overloaded' });
  });

  it('whose sessions wait for the network asks for more of them', () => {
    const far = judged({ offered: { ...HALF, perSecond: 2_000, serviceMeanMs: 100, serverMeanMs: 4 } });
    expect(far).toMatchObject({ kind: 'too_few_sessions' });
    expect(far!.because).toContain('give at least --users 200');
  });
});
