import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Circuit } from '../../src/cache/circuit.js';
import { MemoryCache } from '../../src/cache/memory.js';
import { RedisKeys } from '../../src/cache/partition.js';
import type { RedisAddress } from '../../src/redis-address.js';
import { openRedis, type ScriptClient } from '../../src/cache/redis-client.js';
import { RedisClock } from '../../src/cache/redis-clock.js';
import { RedisCache } from '../../src/cache/redis.js';
import { redisUrl } from '../../src/config/redis-url.js';
import { startRedis, startRedisCluster, type RedisServer } from '../support/redis.js';
import { services } from '../support/services.js';
import { tokenCacheContract } from './token-cache-suite.js';

const KEYS = new RedisKeys('carelink_tokens');

const memory = () => new MemoryCache({ maxActive: 1_000, maxSpent: 1_000 });

function redisInstance(address: RedisAddress) {
  const changes: string[] = [];
  const client: ScriptClient = openRedis({
    address,
    keys: KEYS,
    random: Math.random,
    onError: () => undefined,
  });
  const cache = new RedisCache({
    client,
    keys: KEYS,
    commandTimeoutMs: 100,
    circuit: new Circuit(() => performance.now(), Math.random),
    clock: new RedisClock(() => performance.now(), false),
    desk: undefined,
    local: memory(),
    requestTimeoutMs: 2_000,
    refreshLifetimeMs: 60_000,
    monotonicMs: () => performance.now(),
    random: Math.random,
    onChange: (state) => changes.push(state),
  });
  return { cache, client, changes };
}

async function ready(client: ScriptClient): Promise<void> {
  for (;;) {
    // Keys of every part of a cluster.
    const asked = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => client.exists(`carelink_tokens:{${n}}:ready`)),
    );
    if (asked.every(({ status }) => status === 'fulfilled')) return;
    await sleep(20);
  }
}

describe('the memory cache', () => {
  tokenCacheContract(() => {
    const cache = memory();
    return [cache, cache];
  });
});

describe.skipIf(services().redis === undefined)('a single Redis', () => {
  let server: RedisServer;
  let here: ReturnType<typeof redisInstance>;
  let there: ReturnType<typeof redisInstance>;
  beforeAll(async () => {
    server = await startRedis();
    const address = redisUrl.parse(`redis://127.0.0.1:${server.port}`)!;
    [here, there] = [redisInstance(address), redisInstance(address)];
  });
  beforeEach(() => Promise.all([ready(here.client), ready(there.client)]));
  afterAll(async () => {
    here.client.close();
    there.client.close();
    await server.stop();
  });
  tokenCacheContract(() => [here.cache, there.cache]);

  it('tells the other instance of a doubt, until something is learned', async () => {
    const token = { jti: randomUUID(), userKey: '1' };
    await here.cache.begin(token);
    await here.cache.noteDoubt(token, 1_700_000_000_000_001);
    await here.cache.finish(token, undefined);
    await sleep(50);
    expect(await there.cache.begin(token)).toMatchObject({ doubtAtUs: 1_700_000_000_000_001 });
    await there.cache.finish(token, { spent: token.jti, successor: undefined });
    await sleep(50);
    expect(await here.cache.begin(token)).toMatchObject({ hint: { state: 'spent' }, doubtAtUs: undefined });
  });

  it('never calls active what was spent since, though the script comes late', async () => {
    const [token, next] = [randomUUID(), randomUUID()].map((jti) => ({ jti, userKey: '1' })) as [
      { jti: string; userKey: string },
      { jti: string; userKey: string },
    ];
    await there.cache.finish(next, { spent: next.jti, successor: undefined });
    await sleep(50);
    await here.cache.finish(token, {
      spent: token.jti,
      successor: { jti: next.jti, rowId: '1', claimedAtUs: 1 },
    });
    await sleep(50);
    expect(await there.cache.begin(next)).toMatchObject({ hint: { state: 'spent' } });
  });

  it('takes no row id that would break a statement', async () => {
    const jti = randomUUID();
    const { partitionOf } = await import('../../src/cache/partition.js');
    for (const value of ['a9999999999999999999', 'a1;', 'a', 'x']) {
      await server.cli('SET', KEYS.of(partitionOf('1'), 'token', jti), value);
      const begun = await here.cache.begin({ jti, userKey: '1' });
      expect(begun).toMatchObject({ kind: 'begun', hint: undefined });
      await here.cache.finish({ jti, userKey: '1' }, undefined);
      await sleep(20);
    }
  });

  it('is gone on without while it is paused, and used again when it is back', async () => {
    server.kill('SIGSTOP');
    const tokens = [1, 2].map(() => ({ jti: randomUUID(), userKey: '1' }));
    const token = tokens[1]!;
    expect((await here.cache.begin(tokens[0]!)).kind).toBe('begun');
    // One late answer is none that is missing.
    expect(here.changes.at(-1)).not.toBe('down');
    expect((await here.cache.begin(token)).kind).toBe('begun');
    expect(here.changes.at(-1)).toBe('down');
    // Each has only its own lock now; the database decides between them.
    expect((await there.cache.begin(token)).kind).toBe('begun');
    expect((await here.cache.begin(token)).kind).toBe('busy');
    server.kill('SIGCONT');
    while (here.changes.at(-1) !== 'up') {
      await sleep(50);
      const other = { jti: randomUUID(), userKey: '1' };
      await here.cache.begin(other);
      await here.cache.finish(other, undefined);
    }
  });
});

describe.skipIf(services().redis === undefined)('a Redis Cluster of three masters', () => {
  let cluster: Awaited<ReturnType<typeof startRedisCluster>>;
  let here: ReturnType<typeof redisInstance>;
  let there: ReturnType<typeof redisInstance>;
  beforeAll(async () => {
    cluster = await startRedisCluster();
    const hosts = cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const address = redisUrl.parse(`redis+cluster://${hosts}`)!;
    [here, there] = [redisInstance(address), redisInstance(address)];
    await Promise.all([ready(here.client), ready(there.client)]);
  });
  afterAll(async () => {
    here.client.close();
    there.client.close();
    await cluster.stop();
  });
  tokenCacheContract(() => [here.cache, there.cache]);

  it('keeps its keys on all three', async () => {
    for (let n = 0; n < 60; n++) {
      const token = { jti: randomUUID(), userKey: String(n) };
      await here.cache.begin(token);
      await here.cache.finish(token, {
        spent: token.jti,
        successor: { jti: randomUUID(), rowId: String(n), claimedAtUs: 1 },
      });
    }
    await sleep(100);
    for (const { cli } of cluster.nodes) expect(Number(await cli('DBSIZE'))).toBeGreaterThan(0);
    expect(here.changes).not.toContain('down');
  });
});
