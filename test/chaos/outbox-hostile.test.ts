import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { partitionOf, PARTITIONS, RedisKeys } from '../../src/cache/partition.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { rotated, rotationWorld } from '../support/rotation-world.js';
import type { Instance } from '../support/rotation.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';

const KEYS = new RedisKeys('carelink_tokens');

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
    let other: Instance;
    let dying: Instance;
    beforeAll(async () => {
      redis = await startRedis();
      one = await world.start({ shared: { port: redis.port } });
      other = await world.start({ shared: { port: redis.port } });
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
      const spoilt = Array.from({ length: PARTITIONS / 16 }, (_, n) => KEYS.outbox(16 * n)).filter(
        (key) => key !== KEYS.outbox(partitionOf(String(login.userId))),
      );
      for (const key of spoilt) await redis.cli('SET', key, 'no stream');
      rotated(await dying.service.refresh(refresh));
      await expect.poll(() => isBlacklisted(jti), PATIENCE).toBe(true);
      await redis.cli('DEL', ...spoilt);
      expect([...one.written, ...other.written]).toContain('written');
    });

    it.each([
      ['deactivated', `UPDATE auth_user SET is_active = false WHERE id = $1::int`, 'inactive'],
      [
        'deleted',
        `WITH kept AS (UPDATE token_blacklist_outstandingtoken SET user_id = NULL WHERE user_id = $1::int)
         DELETE FROM auth_user WHERE id = $1::int`,
        'inactive',
      ],
      [
        'revoked',
        `INSERT INTO carelink.revoked_before (user_key, at) VALUES ($1::text, clock_timestamp())`,
        'blacklisted',
      ],
    ])(
      'a user that was %s, and nobody told: it is seen when a claim is written',
      async (_, change, refusal) => {
        const { refresh, login } = await session(one);
        await world.sql(change, [String(login.userId)]);
        const { refresh: next, jti } = rotated(await one.service.refresh(refresh));
        await expect.poll(() => one.status()?.depth, PATIENCE).toBe(0);
        for (const instance of [one, other])
          expect((await instance.service.refresh(next)).kind).toBe(refusal);
        expect(await isBlacklisted(jti)).toBe(false);
      },
    );

    it('who was let in with an old token, spent where Redis was not told, gets no further with its successors', async () => {
      const { refresh } = await session(one);
      // No Redis, and nobody hears of what it claims.
      const elsewhere = await world.start({ quiet: true });
      const second = rotated(await elsewhere.service.refresh(refresh));
      const third = rotated(await elsewhere.service.refresh(second.refresh));
      expect(rotated(await one.service.refresh(refresh)).jti).toBe(second.jti);
      await expect.poll(() => one.status()?.depth, PATIENCE).toBe(0);
      for (const instance of [one, other])
        expect((await instance.service.refresh(second.refresh)).kind).toBe('blacklisted');
      rotated(await one.service.refresh(third.refresh));
    });

    it.each([
      ['is full', 'maxmemory', '1mb', '0'],
      ['may not write', 'min-replicas-to-write', '1', '0'],
    ])('a Redis that %s is down, and said to be for as long', async (_, setting, hindered, free) => {
      const server = await startServer({
        databaseUrl: world.url,
        args: ['--blacklist', 'async', '--redis-url', `redis://127.0.0.1:${redis.port}`],
      });
      onTestFinished(async () => {
        await redis.cli('CONFIG', 'SET', setting, free);
        await server.stop();
      });
      const state = async () => {
        const answer = await fetch(new URL('/readyz', server.adminUrl));
        return ((await answer.json()) as { checks: { redis: string } }).checks.redis;
      };
      const up = () => server.output().match(/redis_up/g)?.length ?? 0;
      await expect.poll(state, PATIENCE).toBe('ok');
      await redis.cli('CONFIG', 'SET', setting, hindered);
      await expect.poll(state, PATIENCE).toBe('unreachable');
      const before = up();
      // Longer than the longest rest between two tries, while it is read all the time.
      const { token } = await world.login();
      const endsAtMs = performance.now() + 3_000;
      while (performance.now() < endsAtMs) {
        const verified = await fetch(new URL('/account/token/verify/', server.url), {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ token }),
        });
        expect(verified.status).toBe(200);
        expect(await state()).toBe('unreachable');
        await sleep(20);
      }
      expect(up()).toBe(before);
      await redis.cli('CONFIG', 'SET', setting, free);
      await expect.poll(state, PATIENCE).toBe('ok');
    });
  },
);
