import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { services } from '../support/services.js';
import { MODES, startPair, type Mode, type Pair } from '../interop/pair.js';
import { distribution, nextLead, race, sum, type Round } from '../interop/race.js';

const ROUNDS = 20;
/** Requests to each server a round. */
const EACH = 8;
const ready = services().postgres !== undefined && services().django;

describe.skipIf(!ready)('beside a Django that rotates, too', () => {
  describe.each(MODES)('with the serializer of docs/django, $mode', (mode) => {
    const raced = racing('single-use', mode);

    test('exactly one of simultaneous refreshes wins, in every round', () => {
      expect(raced.rounds.map(({ winners }) => sum(winners))).toEqual(Array(ROUNDS).fill(1));
    });

    test('both sides win some rounds, so there was a race', () => {
      const won = raced.rounds.map(({ winners: [django, ...ours] }) => [django!, sum(ours)] as const);
      for (const side of [0, 1] as const) expect(sum(won.map((round) => round[side]))).toBeGreaterThan(0);
    });

    test('the losers are told that the token is spent or in flight', () => {
      expect(otherStatuses(raced.rounds)).toEqual([]);
    });
  });

  describe('with stock simplejwt', () => {
    const raced = racing('stock', MODES[0]!);

    test('this server lets at most one win, whatever Django does', () => {
      for (const { winners } of raced.rounds) expect(winners[1]).toBeLessThanOrEqual(1);
    });

    test('each round has a winner; rounds with several are counted', () => {
      const several = raced.rounds.filter(({ winners }) => sum(winners) > 1).length;
      console.log(`beside stock simplejwt: ${several} of ${ROUNDS} rounds had several winners`);
      expect(raced.rounds.every(({ winners }) => sum(winners) >= 1)).toBe(true);
    });
  });
});

/** Runs the rounds before the tests of a block, which then look at what came of them. */
function racing(serializer: 'stock' | 'single-use', mode: Mode): { readonly rounds: Round[] } {
  const rounds: Round[] = [];
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair({ ...mode, serializer, threads: EACH });
    const user = await pair.django.makeUser();
    let leadMs = 0;
    for (let n = 0; n < ROUNDS; n++) {
      const { refresh } = await pair.django.mint(user);
      const round = await race([pair.django.url, ...pair.urls], EACH, refresh, leadMs);
      leadMs = nextLead(leadMs, round);
      rounds.push(round);
    }
    console.log(`beside ${serializer}, ${mode.mode}, ${EACH} to each, winners: ${distribution(rounds)}`);
  });
  afterAll(() => pair.close());
  return { rounds };
}

function otherStatuses(rounds: readonly Round[]): number[] {
  return rounds.flatMap(({ statuses }) => statuses).filter((status) => ![200, 401, 429].includes(status));
}
