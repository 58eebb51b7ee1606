import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plantFamily } from '../support/families.js';
import { createUsers } from '../support/postgres.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import type { Instance } from '../support/rotation.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

const KEY = randomBytes(32);

/** An instance believes what was made a second after its start. */
const TRUST_MS = 1_100;

/** Only a bound against hanging. */
const PATIENCE_MS = 20_000;

describe.skipIf(services().postgres === undefined || services().redis === undefined)(
  'a log-out with the first token of a long family whose tip lives in Redis',
  () => {
    const world = rotationWorld();
    let redis: RedisServer;
    let instances: [Instance, Instance];
    beforeAll(async () => {
      redis = await startRedis();
      const start = () =>
        world.start({ chainKeys: [KEY], onReuse: 'revoke-family', shared: { port: redis.port } });
      instances = [await start(), await start()];
      await sleep(TRUST_MS);
    });
    afterAll(() => redis.stop());

    const live = (userId: number | string) =>
      world.sql(
        `SELECT jti FROM token_blacklist_outstandingtoken o
          WHERE user_id = $1 AND NOT EXISTS (SELECT FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)`,
        [userId],
      );

    /** Its last rotation was claimed in Redis at this moment, and is perhaps not written yet. */
    async function family() {
      const [userId = 1] = await createUsers(world.url, 1);
      const planted = await plantFamily(world.url, { userId, generations: 500, keyOf: () => KEY });
      const known = rotated(await instances[0].service.refresh(planted.tip.token));
      const inDatabase = instances[0].statements.get('claim');
      const tip = rotated(await instances[0].service.refresh(known.refresh));
      expect(instances[0].statements.get('claim')).toBe(inDatabase);
      return { userId, first: planted.first, tip };
    }

    it.each([
      ['a log-out', 'logout', 'logged_out'],
      ['a reuse', 'refresh', 'blacklisted'],
    ] as const)(
      '%s closes it there and in the database, and no instance refreshes it',
      async (_, how, end) => {
        const { userId, first, tip } = await family();
        expect(await instances[1].service[how](first.token)).toEqual({ kind: end });
        for (const { service } of instances)
          expect(await service.refresh(tip.refresh)).toEqual({ kind: 'blacklisted' });
        expect(await live(userId)).toEqual([]);
      },
    );

    it('wins against refreshes in Redis at the tip, at both instances', async () => {
      const { userId, first, tip } = await family();
      let token = tip.refresh;
      let refreshed = 0;
      const client = (async () => {
        for (;;) {
          const outcome = await instances[refreshed % 2]!.service.refresh(token);
          if (outcome.kind !== 'rotated') return outcome;
          token = outcome.refresh;
          refreshed++;
        }
      })();
      while (refreshed < 5) await sleep(1);
      expect(await instances[1].service.logout(first.token)).toEqual({ kind: 'logged_out' });
      expect(await client).toEqual({ kind: 'blacklisted' });
      await expect.poll(() => live(userId), { timeout: PATIENCE_MS }).toEqual([]);
    });
  },
);
