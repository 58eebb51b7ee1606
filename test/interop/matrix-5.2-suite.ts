/** The same requests to Django with simplejwt 5.2.2 and to `--simplejwt-compat 5.2`: see matrix/. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { services } from '../support/services.js';
import { send } from './http.js';
import { cases } from './matrix/all.js';
import { departures } from './matrix/departures.js';
import { expected, normal, normalOfOurs } from './matrix/normal.js';
import { world, type World } from './matrix/world.js';
import { startPair, type Mode, type Pair } from './pair.js';

const ready = services().postgres !== undefined && services().django;

export function matrixSuite(modes: readonly Mode[]): void {
  describe.skipIf(!ready).each(modes)('answers as simplejwt 5.2.2 does, $mode', (options) => {
    let pair: Pair;
    let given: World;

    beforeAll(async () => {
      pair = await startPair({ ...options, args: ['--simplejwt-compat', '5.2'] });
      const { django } = pair;
      const [active, inactive] = [await django.makeUser(), await django.makeUser()];
      await django.deactivateUser(inactive);
      given = world(pair.database, { active: Number(active), inactive: Number(inactive), unknown: 999_999 });
    });
    afterAll(() => pair.close());

    const departing = departures('5.2');

    for (const one of cases) {
      test(one.name, async () => {
        const theirs = normal(await send(pair.django.url, await one.message(given)));
        const ours = normalOfOurs(await send(pair.url, await one.message(given)));
        const departure = departing.get(one.name);
        expect(ours).toEqual(expected(theirs, departure, '5.2'));
        // A departure that is none any more is to be taken out.
        if (departure) expect(ours).not.toEqual(theirs);
      });
    }

    test('every departure is of a case', () => {
      const names = new Set(cases.map(({ name }) => name));
      expect([...departing.keys()].filter((name) => !names.has(name))).toEqual([]);
    });
  });
}
