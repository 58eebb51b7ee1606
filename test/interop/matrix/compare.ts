import { expect, test } from 'vitest';
import { send } from '../http.js';
import { cases } from './all.js';
import type { Asked, Case } from './case.js';
import { departures } from './departures.js';
import { expected, normalOfOurs, type NormalReply } from './normal.js';
import type { World } from './world.js';

interface Sides {
  readonly asked: Asked;
  /** Known once the tests run. */
  readonly given: () => World;
  /** What simplejwt of that release answers. */
  readonly theirs: (one: Case) => NormalReply | Promise<NormalReply>;
  /** Where ours is asked. */
  readonly url: () => string;
}

/** A test for each case: the same answer, or the departure that is listed, which must be one. */
export function compareCases({ asked, given, theirs, url }: Sides, some: readonly Case[] = cases): void {
  const compat = asked === 'head' ? '5.5' : asked;
  const departing = departures(asked);

  for (const one of some) {
    test(one.name, async () => {
      const wanted = await theirs(one);
      const ours = normalOfOurs(await send(url(), await one.message(given())));
      const departure = departing.get(one.name);
      expect(ours).toEqual(expected(wanted, departure, compat));
      // A departure that is none any more is to be taken out.
      if (departure) expect(ours).not.toEqual(wanted);
    });
  }

  test('every departure is of a case', () => {
    const names = new Set(cases.map(({ name }) => name));
    expect([...departing.keys()].filter((name) => !names.has(name))).toEqual([]);
  });
}
