import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { checkHistory, describeViolation } from './history-checker.js';
import {
  type Arena, CLIENTS, distinctSuccessors, fight, historyOf, openArena, SERVERS, tally, winners,
} from './one-winner.js'; // prettier-ignore

/** The same promises, held for some rounds in the ordinary run and for many in the long one. */
export function describeOneWinner(rounds: number, claimsIn: 'the database' | 'Redis' = 'the database'): void {
  const inRedis = claimsIn === 'Redis';
  const ready = services().postgres !== undefined && (!inRedis || services().redis !== undefined);
  const title = `${CLIENTS} simultaneous refreshes of one token at ${SERVERS} servers, claimed in ${claimsIn}, ${rounds} rounds`;

  describe.skipIf(!ready)(`${title}, no grace`, () => {
    let arena: Arena;
    beforeAll(async () => {
      arena = await openArena([], inRedis);
    });
    afterAll(() => arena.close());

    it('have exactly one winner a round, and everybody else is told 429 or 401', async () => {
      const results = await fight(arena, rounds);
      console.log(`${title}: ${tally(results.flat())}`);
      for (const answers of results) {
        expect(winners(answers), tally(answers)).toHaveLength(1);
        expect(
          answers.map(({ status }) => status).filter((status) => ![200, 401, 429].includes(Number(status))),
        ).toEqual([]);
      }
      expect(checkHistory(await historyOf(arena, results)).map(describeViolation)).toEqual([]);
    });
  });

  describe.skipIf(!ready)(`${title}, a grace of 10 s`, () => {
    let arena: Arena;
    beforeAll(async () => {
      arena = await openArena(['--reuse-grace', '10s'], inRedis);
    });
    afterAll(() => arena.close());

    it('have one successor a round, and everybody who is told 200 holds it', async () => {
      const results = await fight(arena, rounds);
      console.log(`${title}, with grace: ${tally(results.flat())}`);
      for (const answers of results) {
        expect(distinctSuccessors(answers), tally(answers)).toBe(1);
        expect(
          answers.map(({ status }) => status).filter((status) => ![200, 429].includes(Number(status))),
        ).toEqual([]);
      }
      const history = await historyOf(arena, results);
      expect(checkHistory(history, { graceMs: 10_000 }).map(describeViolation)).toEqual([]);
    });
  });
}
