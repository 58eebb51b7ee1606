import { describe, expect, it } from 'vitest';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { createUsers, openClient } from '../support/postgres.js';
import { decodeToken, mintRefresh } from '../support/tokens.js';

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

  it.each(['on', 'off'] as const)(
    'let a deleted user log out, user check %s, with a token that has no row any more',
    async (userCheck) => {
      const { service } = await world.start({ userCheck });
      const old = mintRefresh({ userId: 987_654 });
      expect(await service.logout(old.token)).toEqual({ kind: 'logged_out' });
      expect(await service.verify(old.token)).toEqual({ kind: 'blacklisted' });
    },
  );
});

describe.skipIf(services().postgres === undefined)('a row that is made beside a refresh', () => {
  const world = rotationWorld();

  it("is found by a second statement, and taken for nobody else's refresh", async () => {
    const { service, events, statements } = await world.start();
    const [userId] = await createUsers(world.url, 1);
    const old = mintRefresh({ userId: userId! });
    const django = await openClient(world.url);
    try {
      await django.query('BEGIN');
      await django.query(
        `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
         VALUES ($1, now(), now() + interval '1 hour', $2, $3)`,
        [old.token, userId, old.jti],
      );
      const refreshed = service.refresh(old.token);
      await new Promise((resolve) => setTimeout(resolve, 60));
      await django.query('COMMIT');
      expect(decodeToken(rotated(await refreshed).refresh).claims['user_id']).toBe(userId);
    } finally {
      await django.end();
    }
    expect(events.at(-1)).toMatchObject({ kind: 'refresh', outcome: 'rotated', met: false });
    expect(statements.get('lookup')).toBeUndefined();
  });
});
