import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startRedis, type RedisServer } from '../support/redis.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import type { Instance } from '../support/rotation.js';
import { services } from '../support/services.js';

/** An instance believes what was made a second after its start. */
const TRUST_MS = 1_100;

/** Longer than a claim takes, with the claim itself held back: only a bound against hanging. */
const GRACE_US = 60_000_000;

describe.skipIf(services().postgres === undefined || services().redis === undefined)(
  'claims in Redis while the chain key is changed, instance after instance',
  () => {
    const world = rotationWorld();
    const [oldKey, newKey] = [randomBytes(32), randomBytes(32)];
    let redis: RedisServer;
    let before: Instance;
    let after: Instance;
    beforeAll(async () => {
      redis = await startRedis();
      const shared = { port: redis.port };
      before = await world.start({ chainKeys: [oldKey, newKey], graceUs: GRACE_US, shared });
      after = await world.start({ chainKeys: [newKey, oldKey], graceUs: GRACE_US, shared });
      await sleep(TRUST_MS);
    });
    afterAll(() => redis.stop());

    const live = (userId: number | string) =>
      world.sql(
        `SELECT o.jti FROM token_blacklist_outstandingtoken o
          WHERE o.user_id = $1
            AND NOT EXISTS (SELECT 1 FROM token_blacklist_blacklistedtoken b WHERE b.token_id = o.id)`,
        [userId],
      );

    it.each(['the one with the old key', 'the one with the new key'])(
      'a token that %s has claimed and not written has one successor, wherever it is repeated',
      async (which) => {
        const [one, other] = which.includes('old') ? [before, after] : [after, before];
        const login = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 60 });
        const { refresh } = rotated(await one.service.refresh(login.token));
        let letGo = (): void => undefined;
        const held = new Promise<void>((resolve) => (letGo = resolve));
        onTestFinished(() => letGo());
        one.faults.push({ purpose: 'write_behind', what: () => held });
        const answered = rotated(await one.service.refresh(refresh));
        const repeated = rotated(await other.service.refresh(refresh));
        letGo();
        expect(repeated).toEqual({ ...answered, replayed: true });
        await expect.poll(() => one.status()?.depth, { timeout: 20_000 }).toBe(0);
        expect(await live(login.userId as number)).toEqual([{ jti: answered.jti }]);
      },
    );
  },
);
