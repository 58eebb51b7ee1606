import { MemoryCache } from '../cache/memory.js';
import { openRedis } from '../cache/redis-client.js';
import { RedisCache } from '../cache/redis.js';
import type { ServeSettings } from '../config/settings.js';
import type { Log } from '../observe/log.js';
import type { MetricsSink } from '../observe/metrics.js';
import type { TokenCache } from '../rotation/ports.js';
import type { ReleaseStack } from './release.js';

/** Live tokens that are remembered: about 100 MB at most. A forgotten one costs a slower statement. */
const CACHE_BOUNDS = { maxActive: 500_000, maxSpent: 100_000 };

/** Without refreshes nobody else would notice that Redis went, or came back. */
const CHECK_EVERY_MS = 1_000;

export interface OpenedCache {
  readonly cache: TokenCache;
  /** How Redis is; undefined where there is none to be asked. */
  readonly check: () => Promise<'ok' | 'unreachable' | undefined>;
}

/** This process's memory, and before it Redis where there is one. A Redis that can't be reached stops no start. */
export function openTokenCache(
  settings: ServeSettings,
  log: Log,
  releases: ReleaseStack,
  monotonicMs: () => number,
  metrics: MetricsSink,
): OpenedCache {
  const local = new MemoryCache(CACHE_BOUNDS);
  if (settings.redis === undefined) return { cache: local, check: () => Promise.resolve(undefined) };
  let told = false;
  const tellDown = (): void => {
    if (told) return;
    told = true;
    log.warn('redis_down', {
      cause: 'refreshes go on without it: duplicates at two instances are told apart by the database alone',
    });
  };
  const client = openRedis(settings.redis, Math.random, tellDown);
  releases.add(() => client.close());
  const cache = new RedisCache({
    client,
    local,
    requestTimeoutMs: settings.rotation.requestTimeoutMs,
    refreshLifetimeMs: settings.tokens.refreshLifetimeSeconds * 1000,
    monotonicMs,
    random: Math.random,
    onChange: (state) => {
      metrics.onRedis(state === 'up');
      if (state === 'down') {
        tellDown();
        return;
      }
      told = false;
      log.info('redis_up');
    },
  });
  const timer = setInterval(() => void cache.check(), CHECK_EVERY_MS).unref();
  releases.add(() => clearInterval(timer));
  return { cache, check: () => cache.check() };
}
