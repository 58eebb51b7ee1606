import { describe, expect, it } from 'vitest';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined)('a database that freezes', () => {
  const world = rotationWorld();

  it('lets no request wait long past its deadline, and the refresh is resumed afterwards', async () => {
    const { service, faults } = await world.start({ requestTimeoutMs: 500 });
    const [one, two, three] = [await world.login(), await world.login(), await world.login()];
    const frozen = () => new Promise<void>((resolve) => setTimeout(resolve, 4_000));
    faults.push(
      { purpose: 'claim', what: frozen },
      { purpose: 'verify', what: frozen },
      { purpose: 'revoke', what: frozen },
    );
    const took = async (work: Promise<{ kind: string }>) => {
      const begun = performance.now();
      expect(await work).toMatchObject({ kind: 'unavailable' });
      return performance.now() - begun;
    };
    const times = await Promise.all([
      took(service.refresh(one.token)),
      took(service.verify(two.token)),
      took(service.logout(three.token)),
    ]);
    expect(Math.max(...times)).toBeLessThan(2_000);
    rotated(await service.refresh(one.token));
    // What froze goes on, and finds that it was repeated.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect((await service.refresh(one.token)).kind).toBe('blacklisted');
    expect((await service.refresh(three.token)).kind).toBe('blacklisted');
  });
});
