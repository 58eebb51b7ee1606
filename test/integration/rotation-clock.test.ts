import { describe, expect, it } from 'vitest';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';

describe.skipIf(services().postgres === undefined)('an answer that was long on its way', () => {
  const world = rotationWorld();

  it('does not set the clock back: a token from this very moment is not from the future', async () => {
    const { service, faults } = await world.start();
    const old = await world.login();
    rotated(await service.refresh((await world.login()).token));
    // A slow commit, a slow network, or this process stopped for a while.
    faults.push({ purpose: 'lookup', what: { answerLateMs: 3_000 } });
    await service.verify(old.token);
    const { userId } = old;
    const fresh = mintRefresh({ userId, iatSeconds: Math.floor(Date.now() / 1000) });
    const before = Date.now() * 1000;
    const pair = rotated(await service.refresh(fresh.token));
    expect(pair.claimedAtUs).toBeGreaterThan(before - 1_000_000);
  });
});

describe.skipIf(services().postgres === undefined)('an instance whose clock is ahead of the database', () => {
  const world = rotationWorld();

  it('spends nothing, for the statement itself refuses its claims', async () => {
    const ahead = await world.start({ clock: { nowUs: () => (Date.now() + 5_000) * 1000 } });
    const right = await world.start();
    const { token } = await world.login();
    expect(await ahead.service.refresh(token)).toMatchObject({ kind: 'unavailable' });
    rotated(await right.service.refresh(token));
  });
});
