import { describe, expect, it } from 'vitest';
import { meaningOf } from '../../../src/bench/answer-words.js';
import { judgeAnswers, type AnswerFacts, type OfferedFacts } from '../../../src/bench/answers.js';

import { Recording } from '../../../src/bench/record.js';
import { Silence } from '../../../src/bench/silence.js';

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
  endedInWarmUp: 0,
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
    ['sessions that ended in the warm-up', { endedInWarmUp: 18, users: 20 }, /^18 times a session was refused for good and its user would have had to log in again\. 18 of them ended in the warm-up\.$/],
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

describe('what an answer that is no token means', () => {
  it.each([
    ['HTTP 308', 'NOT_A_REFRESH_ENDPOINT', /redirects elsewhere/],
    ['HTTP 429', 'TARGET_REFUSES', /throttle/],
    ['HTTP 502', 'TARGET_FAILS', /its log/],
    ['no token in a 200', 'NOT_A_REFRESH_ENDPOINT', /refresh endpoint/],
    ['EMFILE', 'OPEN_FILES', /this machine .* not the server/],
    ['EADDRNOTAVAIL', 'OPEN_FILES', /free ports/],
    ['CERT_HAS_EXPIRED', 'TARGET_UNREACHABLE', /not valid now/],
    ['ENOTFOUND', 'TARGET_UNREACHABLE', /no address/],
    ['UND_ERR_HEADERS_TIMEOUT', 'TARGET_UNREACHABLE', /in time/],
    ['ECONNREFUSED', 'TARGET_UNREACHABLE', /Is it running/],
  ] as const)('%s', (kind, code, words) => {
    expect(meaningOf(kind)).toEqual({ code, words: expect.stringMatching(words) as string });
  });
});

describe('a target that has gone', () => {
  const looked = (each: (recording: Recording, second: number) => void) => {
    const [silence, recording] = [new Silence(), new Recording()];
    for (let second = 0; second <= 15; second++) {
      each(recording, second);
      const said = silence.look(recording, second * 1_000);
      if (said !== undefined) return `${second}: ${said}`;
    }
    return undefined;
  };

  it('is one whose connections all break, or that answers none for ten seconds', () => {
    const broken = (recording: Recording) => {
      recording.requests += 20;
      for (let n = 0; n < 20; n++) recording.error('ECONNREFUSED');
    };
    expect(looked(broken)).toBe('5: for 5 s every request ended with ECONNREFUSED');
    const hanging = (recording: Recording, second: number) => {
      if (second === 0) recording.requests = 7;
    };
    expect(looked(hanging)).toBe('10: for 10 s none of 7 requests was answered');
  });

  it('is none that answers now and then, that refuses, or that nobody asks', () => {
    const restarted = (recording: Recording, second: number) => {
      recording.requests += 1;
      if (second % 4 === 0) recording.success(1, 1);
      else recording.error('ECONNRESET');
    };
    const refusing = (recording: Recording) => {
      recording.requests += 1;
      recording.error('HTTP 503');
    };
    for (const each of [restarted, refusing, () => undefined]) expect(looked(each)).toBeUndefined();
  });
});
