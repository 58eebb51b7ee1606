/** The same requests to Django with simplejwt 5.2.2 and to `--simplejwt-compat 5.2`: see matrix/. */
import { afterAll, beforeAll, describe } from 'vitest';
import { services } from '../support/services.js';
import { send } from './http.js';
import { compareCases } from './matrix/compare.js';
import { normal } from './matrix/normal.js';
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

    compareCases({
      asked: '5.2',
      given: () => given,
      theirs: async (one) => normal(await send(pair.django.url, await one.message(given))),
      url: () => pair.url,
    });
  });
}
