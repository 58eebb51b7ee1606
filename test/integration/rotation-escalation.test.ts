import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createChain } from '../../src/rotation/chain.js';
import { rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

/** As far as a family is followed: 256 look-ups of 64. */
const FOLLOWED = 16_384;

describe.skipIf(services().postgres === undefined)('a family that is longer than it is followed', () => {
  const world = rotationWorld();

  it('is revoked by its user, which is counted', async () => {
    const chainKey = randomBytes(32);
    const { service, events } = await world.start({ chainKeys: [chainKey], requestTimeoutMs: 60_000 });
    const first = await world.login();
    const another = await world.login({ userId: first.userId });
    const [family] = createChain([chainKey]).descendantsOf(first.jti, FOLLOWED);
    await world.sql(
      `WITH family AS (
         INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
         SELECT '', now(), now() + interval '1 hour', $1, jti FROM unnest($2::text[]) AS jti
         RETURNING id
       )
       INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
       SELECT now(), id FROM family
        UNION ALL
       SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $3`,
      [first.userId, family, first.jti],
    );
    expect(await service.logout(first.token)).toEqual({ kind: 'logged_out' });
    expect(events).toContainEqual({ kind: 'revocation', cause: 'logout', end: 'escalated', rows: 1 });
    expect(await service.refresh(another.token)).toEqual({ kind: 'blacklisted' });
  });
});
