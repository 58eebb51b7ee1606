import { describe, expect, it } from 'vitest';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined)('claims of two instances in one microsecond', () => {
  const world = rotationWorld();
  let nowUs = Date.now() * 1000;
  const clock = { nowUs: () => nowUs };
  /** A time that the database has reached: it is on the same machine, and its clock may differ by a little. */
  const tick = (): void => void (nowUs = Date.now() * 1000 - 500_000);

  it('bear the same marker, and yet only one of them is answered with the pair', async () => {
    const [one, two] = [await world.start({ clock }), await world.start({ clock })];
    for (let round = 0; round < 50; round++) {
      tick();
      const { token } = await world.login({ iatSeconds: Math.floor(nowUs / 1_000_000) - 1 });
      const outcomes = await Promise.all([one, two].map(({ service }) => service.refresh(token)));
      expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['in_progress', 'rotated']);
    }
  });

  it('one of which has lost its answer, are resumed by the one that sent it', async () => {
    const { service, faults } = await world.start({ clock });
    tick();
    const { token } = await world.login({ iatSeconds: Math.floor(nowUs / 1_000_000) - 1 });
    faults.push({ purpose: 'claim', what: 'answer_lost' });
    expect(rotated(await service.refresh(token)).replayed).toBe(true);
  });
});
