import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Circuit } from '../../src/cache/circuit.js';
import { MemoryCache } from '../../src/cache/memory.js';
import { RedisKeys } from '../../src/cache/partition.js';
import { openRedis, type ScriptClient } from '../../src/cache/redis-client.js';
import { RedisClock } from '../../src/cache/redis-clock.js';
import { RedisCache } from '../../src/cache/redis.js';
import { redisUrl } from '../../src/config/redis-url.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import { services } from '../support/services.js';

describe.skipIf(services().postgres === undefined || services().redis === undefined)(
  'a claim in doubt, repeated at another instance at grace 0',
  () => {
    const world = rotationWorld();
    const clients: ScriptClient[] = [];
    let server: RedisServer;
    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(async () => {
      for (const client of clients) client.close();
      await server.stop();
    });
    const instance = async (requestTimeoutMs: number) => {
      const keys = new RedisKeys('carelink_tokens');
      const client = openRedis({
        address: redisUrl.parse(`redis://127.0.0.1:${server.port}`)!,
        keys,
        random: Math.random,
        onError: () => undefined,
      });
      clients.push(client);
      while ((await client.exists('x').catch(() => undefined)) === undefined) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const cache = new RedisCache({
        client,
        keys,
        commandTimeoutMs: 100,
        circuit: new Circuit(() => performance.now(), Math.random),
        clock: new RedisClock(() => performance.now(), false),
        desk: undefined,
        local: new MemoryCache({ maxActive: 1_000, maxSpent: 1_000 }),
        requestTimeoutMs,
        refreshLifetimeMs: 60_000,
        monotonicMs: () => performance.now(),
        random: Math.random,
        onChange: () => undefined,
      });
      return world.start({ cache, requestTimeoutMs });
    };

    it('is resumed there: the claim stands, and its pair was never handed out', async () => {
      const here = await instance(400);
      const there = await instance(5_000);
      const old = await world.login();
      here.faults.push({ purpose: 'claim', what: 'answer_lost' });
      for (let n = 0; n < 100; n++) here.faults.push({ purpose: 'claim', what: 'not_sent' });
      expect(await here.service.refresh(old.token)).toMatchObject({ kind: 'unavailable' });
      const answers = [await there.service.refresh(old.token)];
      // The lock is given back a moment after the answer.
      while (answers.at(-1)?.kind === 'in_progress') answers.push(await there.service.refresh(old.token));
      const pair = rotated(answers.at(-1)!);
      expect(pair.replayed).toBe(true);
      // Once handed out it is spent as any other.
      let again = await there.service.refresh(old.token);
      while (again.kind === 'in_progress') again = await there.service.refresh(old.token);
      expect(again).toMatchObject({ kind: 'blacklisted' });
      rotated(await there.service.refresh(pair.refresh));
    });
  },
);
