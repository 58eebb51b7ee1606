import { describe, expect, it } from 'vitest';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined)('an accusation of reuse', () => {
  const world = rotationWorld();

  it('is not made where a claim waited for the database, and the client asked again meanwhile', async () => {
    const [one, two] = [
      await world.start({ onReuse: 'revoke-family' }),
      await world.start({ onReuse: 'revoke-family' }),
    ];
    const old = await world.login();
    let reachable = (): void => undefined;
    const outage = new Promise<void>((resolve) => (reachable = resolve));
    one.faults.push({ purpose: 'claim', what: () => outage });
    const first = one.service.refresh(old.token);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    reachable();
    const pair = rotated(await first);
    // The client had given up on the first and repeats it, through another instance.
    await two.service.refresh(old.token);
    expect(two.events.filter(({ kind }) => kind === 'reuse')).toEqual([]);
    rotated(await one.service.refresh(pair.refresh));
  });
});
