import { MemoryCache } from '../cache/memory.js';
import { openRedis } from '../cache/redis-client.js';
import { RedisCache } from '../cache/redis.js';
import type { ServeSettings } from '../config/settings.js';
import type { Log } from '../observe/log.js';
import type { TokenCache } from '../rotation/ports.js';
import type { ReleaseStack } from './release.js';

/** Live tokens that are remembered: about 100 MB at most. A forgotten one costs a slower statement. */
const CACHE_BOUNDS = { maxActive: 500_000, maxSpent: 100_000 };

/** This process's memory, and before it Redis where there is one. A Redis that can't be reached stops no start. */
export function openTokenCache(
  settings: ServeSettings,
  log: Log,
  releases: ReleaseStack,
  monotonicMs: () => number,
  onStore: (up: boolean) => void,
): TokenCache {
  const local = new MemoryCache(CACHE_BOUNDS);
  if (settings.redis === undefined) return local;
  let told = false;
  const tellDown = (): void => {
    onStore(false);
    if (told) return;
    told = true;
    log.warn('redis_down', {
      cause: 'refreshes go on without it: duplicates at two instances are told apart by the database alone',
    });
  };
  // Up until it is known to be down: the client connects in the background.
  onStore(true);
  const client = openRedis(settings.redis, Math.random, tellDown);
  releases.add(() => client.close());
  return new RedisCache({
    client,
    local,
    requestTimeoutMs: settings.rotation.requestTimeoutMs,
    refreshLifetimeMs: settings.tokens.refreshLifetimeSeconds * 1000,
    monotonicMs,
    random: Math.random,
    onChange: (state) => {
      if (state === 'down') {
        tellDown();
        return;
      }
      told = false;
      onStore(true);
      log.info('redis_up');
    },
  });
}
