import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeToken, mintRefresh } from '../support/tokens.js';
import { DEFAULT_RULES, type History, VIOLATION_KINDS } from './history.js';
import { checkHistory, describeViolation } from './history-checker.js';
import { correctHistory, simulate, type Step, STEPS } from './history-model.js';
import { ANSWER_MUTATIONS } from './mutations/answers.js';
import { mutate } from './mutations/draft.js';
import { ROW_MUTATIONS } from './mutations/rows.js';

const MUTATIONS = [...ANSWER_MUTATIONS, ...ROW_MUTATIONS];
const GRACES = [
  { grace: 'off', graceMs: 0 },
  { grace: 'on', graceMs: 30_000 },
] as const;

const kindsOf = (history: History, graceMs: number) =>
  new Set(checkHistory(history, { graceMs }).map(({ kind }) => kind));

describe.each(GRACES)('the history checker, grace $grace', ({ grace, graceMs }) => {
  const rules = { ...DEFAULT_RULES, graceMs };
  const mutations = [...ANSWER_MUTATIONS, ...ROW_MUTATIONS].filter(
    (mutation) => mutation.grace === undefined || mutation.grace === grace,
  );

  it.each(STEPS)('finds nothing wrong with: %s', (step) => {
    const steps: Step[] = ['refresh', 'refresh', step, 'refresh', step];
    expect(checkHistory(simulate([steps], graceMs), rules).map(describeViolation)).toEqual([]);
  });

  it('finds nothing wrong with any correct history', () => {
    fc.assert(
      fc.property(correctHistory(graceMs), (history) => {
        expect(checkHistory(history, rules).map(describeViolation)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  // One small history in which everything happens, made wrong on purpose in every way we know.
  const everything: Step[] = [
    'refresh',
    'refresh',
    'repeat',
    'old_again',
    'lost_after',
    'busy',
    'refresh',
    'twins',
  ];
  it.each(mutations)('finds $name: $finds', (mutation) => {
    const wrong = mutate(simulate([everything, everything], graceMs), mutation, ([first]) => first, rules);
    expect(wrong, 'the example has a place for the mutation').toBeDefined();
    expect(kindsOf(wrong!, graceMs)).toContain(mutation.finds);
  });

  it('finds every single mutation, wherever it strikes in whatever history', () => {
    const struck = new Map<string, number>();
    fc.assert(
      fc.property(
        correctHistory(graceMs),
        fc.constantFrom(...mutations),
        fc.infiniteStream(fc.nat()),
        (history, mutation, random) => {
          const pick = <T>(from: readonly T[]) => from[(random.next().value as number) % from.length];
          const wrong = mutate(history, mutation, pick, rules);
          fc.pre(wrong !== undefined);
          expect(kindsOf(wrong, graceMs)).toContain(mutation.finds);
          struck.set(mutation.name, (struck.get(mutation.name) ?? 0) + 1);
        },
      ),
      { numRuns: 2_000, maxSkipsPerRun: 100 },
    );
    // Each had its turn, else the property has proved less than it says.
    expect([...struck.keys()].sort()).toEqual(mutations.map(({ name }) => name).sort());
  });
});

describe('a pair that was signed again with another key', () => {
  const history = simulate([['refresh', 'refresh']], 0);
  const first = history.attempts[0]!;
  const again = (change: (token: string) => string): History => {
    const { access, refresh } = first.pair!;
    const pair = { access: change(access), refresh: change(refresh) };
    return { ...history, attempts: [first, { ...first, requestId: 99, pair }, ...history.attempts.slice(1)] };
  };
  const signedAnew = (token: string) => `${token.slice(0, token.lastIndexOf('.'))}.${'A'.repeat(43)}`;
  const kinds = (given: History, keysChange: boolean) =>
    new Set(checkHistory(given, { graceMs: 10_000, keysChange }).map(({ kind }) => kind));

  it('is right where the key was changed, and wrong as a rule', () => {
    expect(kinds(again(signedAnew), false)).toContain('pairs_differ');
    expect(kinds(again(signedAnew), true)).toEqual(new Set());
  });

  it('is wrong wherever a claim is another', () => {
    const claim = (token: string) => {
      const [head = '', body = '', signature = ''] = token.split('.');
      const text = Buffer.from(body, 'base64url').toString().replace(/}$/, ',"x":1}');
      return `${head}.${Buffer.from(text).toString('base64url')}.${signature}`;
    };
    expect(kinds(again(claim), true)).toContain('pairs_differ');
  });
});

describe('a token that two claims answered, with one successor in two wordings', () => {
  const history = simulate([['refresh', 'refresh']], 0);
  const first = history.attempts[0]!;
  const reworded = (jti: string): History => {
    const claims = decodeToken(first.pair!.refresh).claims;
    const later = Number(claims['iat']) + 1;
    const [refresh, access] = ['refresh', 'access'].map((tokenType) =>
      mintRefresh({
        userId: 1,
        jti: tokenType === 'refresh' ? jti : randomBytes(16).toString('hex'),
        tokenType,
        iatSeconds: later,
        lifetimeSeconds: tokenType === 'refresh' ? 12 * 3600 : 900,
      }),
    );
    const other = { ...first, requestId: 99, pair: { refresh: refresh!.token, access: access!.token } };
    return { ...history, attempts: [first, other, ...history.attempts.slice(1)] };
  };
  const jti = String(decodeToken(first.pair!.refresh).claims['jti']);

  it('is wrong as a rule, and right where a Redis was lost', () => {
    expect(kindsOf(reworded(jti), 0)).toEqual(new Set(['pairs_differ', 'answered_twice']));
    expect(checkHistory(reworded(jti), { lateDoubles: true }).map(describeViolation)).toEqual([]);
  });

  it('is right with the wording that stands never answered, and wrong where every answer came', () => {
    const { attempts, ...rest } = reworded(jti);
    const [, other, ...later] = attempts;
    const checked = (firstStatus: 503 | 429) => {
      const { family, requestId, sentAtMs, endedAtMs } = first;
      const unanswered = { family, requestId, jti: first.jti, sentAtMs, endedAtMs, status: firstStatus };
      const asked = [unanswered, other!, ...later];
      return new Set(
        checkHistory({ ...rest, attempts: asked }, { lateDoubles: true }).map(({ kind }) => kind),
      );
    };
    expect(checked(503)).toEqual(new Set());
    expect(checked(429)).toEqual(new Set(['stored_token_differs']));
  });

  it('is wrong wherever the successors are two', () => {
    const kinds = checkHistory(reworded(randomBytes(16).toString('hex')), { lateDoubles: true }).map(
      ({ kind }) => kind,
    );
    expect(kinds).toContain('successors_differ');
  });
});

describe('a violation', () => {
  it('of every kind has a history that shows it', () => {
    expect(new Set(MUTATIONS.map(({ finds }) => finds))).toEqual(new Set(VIOLATION_KINDS));
  });

  it('is told with the rule, the token and the requests it is about', () => {
    const history = simulate([['refresh']], 0);
    const [violation] = checkHistory({ ...history, rows: { ...history.rows, blacklisted: [] } });
    expect(describeViolation(violation!)).toMatch(
      /^answered_but_not_blacklisted: token [0-9a-f]{32} of family 1: .*\n {4}request 0: sent at \d+, 200 after 5 ms$/,
    );
  });
});
