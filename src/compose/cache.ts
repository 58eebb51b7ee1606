import { MemoryCache } from '../cache/memory.js';
import type { ServeSettings } from '../config/settings.js';
import { describeError } from '../observe/errors.js';
import type { MetricsSink } from '../observe/metrics.js';
import { MAX_OWED } from '../outbox/outbox.js';
import type { OutboxObserver } from '../outbox/ports.js';
import { settleLateClaim } from '../rotation/late-claims.js';
import { spends } from '../rotation/policy.js';
import type { Claim, TokenCache } from '../rotation/ports.js';
import type { TokenSchema } from '../store/schema.js';
import { PgWriteBehind } from '../store/write-behind.js';
import { retryLetters } from './letters.js';
import type { ReleaseStack } from './release.js';
import type { CacheParts, SharedCache, SharedCacheOptions } from './shared-cache.js';

/** Where nothing is spent, nothing is remembered. */
const NO_BOUNDS = { maxActive: 1, maxSpent: 1 };

/** Live tokens that are remembered: about 100 MB at most. A forgotten one costs a slower statement. */
const CACHE_BOUNDS = { maxActive: 500_000, maxSpent: 100_000 };

/** Trouble of the outbox is told once in this time: a database that is down is told of by others, too. */
const TELL_TROUBLE_EVERY_MS = 10_000;

/** What the policy needs of it: a site that spends no token asks no Redis, and one without token tables owes nothing. */
export async function openCache(
  { redis, rotation }: Pick<ServeSettings, 'redis' | 'rotation'>,
  schema: TokenSchema | undefined,
  options: Omit<SharedCacheOptions, 'redis' | 'schema'>,
  releases: ReleaseStack,
): Promise<SharedCache> {
  if (schema === undefined) return { ...unshared(new MemoryCache(NO_BOUNDS)), start: () => undefined };
  if (spends(rotation.policy)) return openSpendingCache({ ...options, redis, schema }, releases);
  return openSpendingCache({ ...options, redis: undefined, schema, bounds: NO_BOUNDS }, releases);
}

/** This process's memory, and before it Redis where there is one, which is loaded only then. */
export async function openSpendingCache(
  options: SharedCacheOptions,
  releases: ReleaseStack,
): Promise<SharedCache> {
  const parts: CacheParts = {
    local: new MemoryCache(options.bounds ?? CACHE_BOUNDS),
    observe: outboxNews(options),
    writer: new PgWriteBehind({
      database: options.database,
      schema: options.schema,
      ...(options.dates === undefined ? {} : { dates: options.dates }),
      passwordHashOf: options.passwordHashOf,
      maxQueued: 2 * MAX_OWED,
      monotonicMs: options.monotonicMs,
      random: Math.random,
      onBatch: () => undefined,
      onStatement: options.onStatement,
    }),
  };
  if (options.redis === undefined) return openOwnCache(options, parts, releases);
  const { openSharedCache } = await import('./shared-cache.js');
  return openSharedCache(options, options.redis, parts, releases);
}

function openOwnCache(
  { unwritten, monotonicMs, requestTimeoutMs }: SharedCacheOptions,
  { local, writer, observe }: CacheParts,
  releases: ReleaseStack,
): SharedCache {
  return {
    ...unshared(local),
    start(context, feed) {
      feed?.subscribe({ ...silent, onAlive: () => local.forgetActive() });
      // Another instance has kept them, or this one when it had a Redis.
      const write = async (claim: Claim): Promise<boolean> => {
        const written = await writer.write(claim, monotonicMs() + requestTimeoutMs);
        if (written.kind === 'refused') return false;
        await settleLateClaim(context(), claim, written);
        return true;
      };
      retryLetters(unwritten, write, (error) => observe.onTrouble(error), releases);
    },
  };
}

function unshared(cache: TokenCache): Omit<SharedCache, 'start'> {
  return {
    cache,
    outbox: undefined,
    check: () => Promise.resolve(undefined),
    status: () => ({ mode: 'sync', depth: 0, lag_ms: 0 }),
  };
}

const silent = { onChange: () => undefined, onLost: () => undefined };

function outboxNews({ metrics, log, monotonicMs }: SharedCacheOptions): OutboxObserver {
  let toldAtMs = -Infinity;
  return {
    onWritten(outcome: Parameters<MetricsSink['onBackgroundWrite']>[0], lagMs: number): void {
      metrics.onBackgroundWrite(outcome, lagMs / 1000);
      if (outcome === 'dead_letter') {
        log.error('dead_letter', {
          cause:
            'the database refuses to write a rotation that was answered: see `carelink-tokens dead-letters list`',
        });
      }
    },
    onRefused(code: string): void {
      if (monotonicMs() - toldAtMs < TELL_TROUBLE_EVERY_MS) return;
      toldAtMs = monotonicMs();
      log.warn('write_behind_refused', {
        error_code: code,
        cause: 'a trigger, a constraint or a sequence behind its table keeps out rows of answered rotations',
      });
    },
    onTrouble(error: unknown): void {
      if (monotonicMs() - toldAtMs < TELL_TROUBLE_EVERY_MS) return;
      toldAtMs = monotonicMs();
      log.warn('write_behind_failed', describeError(error));
    },
  };
}
