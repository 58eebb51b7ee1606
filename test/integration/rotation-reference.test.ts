import { describe, expect, it } from 'vitest';
import { rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { openClient } from '../support/postgres.js';

describe.skipIf(services().postgres === undefined)('rows that are deleted beside a refresh', () => {
  const world = rotationWorld();

  const deletedBeside = async (userIsGone: boolean) => {
    const { service } = await world.start();
    const old = await world.login();
    const django = await openClient(world.url);
    try {
      await django.query('BEGIN');
      await django.query('DELETE FROM token_blacklist_outstandingtoken WHERE jti = $1', [old.jti]);
      if (userIsGone) await django.query('DELETE FROM auth_user WHERE id = $1', [old.userId]);
      const refreshed = service.refresh(old.token);
      await new Promise((resolve) => setTimeout(resolve, 60));
      await django.query('COMMIT');
      return await refreshed;
    } finally {
      await django.end();
    }
  };

  it('make a refresh of a deleted user a refusal, not an error', async () => {
    for (let n = 0; n < 5; n++) expect(await deletedBeside(true)).toEqual({ kind: 'inactive' });
  });

  it('leave a signed token whose row alone was deleted a token without a row', async () => {
    for (let n = 0; n < 5; n++) expect(await deletedBeside(false)).toMatchObject({ kind: 'rotated' });
  });
});
