import { describe, expect, it } from 'vitest';
import { createUsers, openClient } from '../support/postgres.js';
import { rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { insertOutstanding, mintRefresh } from '../support/tokens.js';

describe.skipIf(services().postgres === undefined)('rows that another transaction holds', () => {
  const world = rotationWorld();

  it('however many they are, hold up nobody but their own users', async () => {
    const { service } = await world.start({ requestTimeoutMs: 8_000 });
    const users = await createUsers(world.url, 300);
    const tokens = users.map((userId) => mintRefresh({ userId }));
    await insertOutstanding(world.url, tokens);
    const isHeld = (n: number) => n % 3 === 0;
    // An administrator logs a hundred out at Django, in one transaction that takes its time.
    const django = await openClient(world.url);
    try {
      await django.query('BEGIN');
      await django.query(
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = ANY ($1)`,
        [tokens.filter((_, n) => isHeld(n)).map(({ jti }) => jti)],
      );
      const refreshes = tokens.map(({ token }) => service.refresh(token));
      const others = await Promise.all(refreshes.filter((_, n) => !isHeld(n)));
      await django.query('COMMIT');
      expect(others.map(({ kind }) => kind)).toEqual(others.map(() => 'rotated'));
      const held = await Promise.all(refreshes.filter((_, n) => isHeld(n)));
      expect(held.filter(({ kind }) => kind === 'rotated')).toEqual([]);
    } finally {
      await django.end();
    }
  });
});
