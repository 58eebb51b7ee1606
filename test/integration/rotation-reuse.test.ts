import { describe, expect, it } from 'vitest';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined)('an accusation of reuse', () => {
  const world = rotationWorld();

  const age = (userId: number | string, seconds: number) =>
    world.sql(
      `WITH moved AS (
         UPDATE token_blacklist_outstandingtoken SET created_at = created_at - $2 * interval '1 s'
          WHERE user_id = $1 RETURNING id)
       UPDATE token_blacklist_blacklistedtoken SET blacklisted_at = blacklisted_at - $2 * interval '1 s'
        WHERE token_id IN (SELECT id FROM moved)`,
      [userId, seconds],
    );

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

  it('answered once is not made again by the same old token: a new login outlives it', async () => {
    const { service, events } = await world.start({ onReuse: 'revoke-user' });
    const old = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 60 });
    rotated(await service.refresh(old.token));
    await age(old.userId, 30);
    expect((await service.refresh(old.token)).kind).toBe('blacklisted');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const login = await world.login({ userId: old.userId });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    // A forgotten tab, or whoever stole it, goes on presenting it.
    expect((await service.refresh(old.token)).kind).toBe('blacklisted');
    expect(events.filter(({ kind }) => kind === 'reuse')).toHaveLength(1);
    rotated(await service.refresh(login.token));
  });
});
