import { describe, expect, it } from 'vitest';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined)('tables that change under a running server', () => {
  const world = rotationWorld();

  it('cost nobody a refresh: Django makes the ids bigger, and adds a column', async () => {
    await world.sql('ALTER TABLE token_blacklist_outstandingtoken ALTER COLUMN id TYPE integer');
    const { service } = await world.start();
    const old = await world.login();
    const other = await world.login();
    const first = rotated(await service.refresh(old.token));
    // simplejwt's own migration 0008 does this.
    await world.sql('ALTER TABLE token_blacklist_outstandingtoken ALTER COLUMN id TYPE bigint');
    const second = rotated(await service.refresh(first.refresh));
    rotated(await service.refresh(other.token));
    expect((await service.refresh(old.token)).kind).toBe('blacklisted');
    await world.sql('ALTER TABLE token_blacklist_outstandingtoken ADD COLUMN note text');
    rotated(await service.refresh(second.refresh));
  });
});
