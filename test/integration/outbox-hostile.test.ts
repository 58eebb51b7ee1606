import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { outboxKey, partitionOf, PARTITIONS } from '../../src/cache/partition.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import type { Instance } from '../support/rotation.js';
import { services } from '../support/services.js';

/** An instance believes what was made a second after its start. */
const TRUST_MS = 1_100;

/** Only a bound against hanging. */
const PATIENCE = { timeout: 30_000 };

describe.skipIf(services().postgres === undefined || services().redis === undefined)(
  'asynchronous blacklisting, where others meddle',
  () => {
    const world = rotationWorld();
    let redis: RedisServer;
    let one: Instance;
    let dying: Instance;
    beforeAll(async () => {
      redis = await startRedis();
      one = await world.start({ shared: { port: redis.port } });
      dying = await world.start({ shared: { port: redis.port } });
      await sleep(TRUST_MS);
    });
    afterAll(() => redis.stop());

    async function session(at: Instance) {
      const login = await world.login({ iatSeconds: Math.floor(Date.now() / 1000) - 60 });
      return { login, ...rotated(await at.service.refresh(login.token)) };
    }
    const isBlacklisted = async (jti: string) =>
      (
        await world.sql(
          `SELECT FROM token_blacklist_outstandingtoken o JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id
            WHERE o.jti = $1`,
          [jti],
        )
      ).length > 0;

    it('a partition that cannot be read keeps nobody from taking over what lies in others', async () => {
      const { refresh, jti, login } = await session(dying);
      // It is as good as dead: it never writes again.
      let letGo = (): void => undefined;
      const held = new Promise<void>((resolve) => (letGo = resolve));
      dying.faults.push({ purpose: 'write_behind', what: () => held });
      onTestFinished(() => letGo());
      const spoilt = Array.from({ length: PARTITIONS / 16 }, (_, n) => outboxKey(16 * n)).filter(
        (key) => key !== outboxKey(partitionOf(String(login.userId))),
      );
      for (const key of spoilt) await redis.cli('SET', key, 'no stream');
      rotated(await dying.service.refresh(refresh));
      await expect.poll(() => isBlacklisted(jti), PATIENCE).toBe(true);
      await redis.cli('DEL', ...spoilt);
      expect(one.written).toContain('written');
    });
  },
);
