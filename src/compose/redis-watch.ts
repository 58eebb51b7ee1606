import { isRefusal, type ScriptClient } from '../cache/redis-client.js';
import { placeOf } from '../redis-address.js';
import { failureOf } from '../cache/redis-failure.js';
import type { RedisFault } from '../cache/redis-faults.js';
import { CommandError } from '../config/errors.js';
import type { RedisSettings } from '../config/parts.js';
import type { Log } from '../observe/log.js';
import type { ClaimGate } from '../outbox/gate.js';
import type { Database } from '../store/database.js';
import type { Owned } from '../store/own-schema.js';
import { readIdentity } from '../store/identity.js';
import type { ReleaseStack } from './release.js';

export interface RedisWatchOptions {
  readonly blacklist: 'auto' | 'sync' | 'async';
  readonly monotonicMs: () => number;
  readonly log: Log;
  readonly onRedis: (up: boolean) => void;
}

/** How long a start waits to learn how Redis evicts. One that can't be reached stops no start. */
const FIRST_LOOK_MS = 2_000;
const LOOK_AGAIN_MS = 10_000;
const TICK_MS = 1_000;

/**
 * Waits until Redis is known to be fit, at most so long: one that can't be reached stops no start.
 *
 * @throws CommandError where it answers and must not be worked with
 */
export async function fitRedis(client: ScriptClient, { monotonicMs }: RedisWatchOptions): Promise<void> {
  const giveUpMs = monotonicMs() + FIRST_LOOK_MS;
  for (;;) {
    const fault = client.fault();
    if (fault !== undefined) throw new CommandError(fault.code, 4, fault.message);
    if (client.fit()) return;
    if (monotonicMs() >= giveUpMs) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const other = client.obstacle() === undefined ? await client.diagnose() : undefined;
  if (other !== undefined && !client.fit()) throw new CommandError(other.code, 4, other.message);
}

/** Whose Redis it has to be: undefined where that can't be told, which is said. */
export async function ownerOf(database: Database, owned: Owned, log: Log): Promise<string | undefined> {
  const identity = await readIdentity(database, owned);
  if (identity.kind === 'known') return identity.id;
  log.warn('redis_owner_unknown', {
    kind: identity.kind,
    cause:
      identity.kind === 'missing'
        ? 'the migration identity is missing: run carelink-tokens migrate. Until then another system in the same Redis is not noticed'
        : `GRANT SELECT ON ${owned.own}.identity to this role. Until then another system in the same Redis is not noticed`,
  });
  return undefined;
}

/** Claims are in Redis alone for a moment: one that evicts them is no place for them (rule 14). */
export async function watchEviction(
  client: ScriptClient,
  gate: ClaimGate,
  { blacklist, log, monotonicMs }: RedisWatchOptions,
  releases: ReleaseStack,
): Promise<void> {
  let last: string | undefined;
  const look = async (): Promise<string | undefined> => {
    const policies = await client.evictionPolicies().catch(() => undefined);
    if (policies === undefined || policies.length === 0) return undefined;
    const verdict = gate.onPolicies(policies);
    if (verdict !== last && verdict !== 'ok') {
      log.warn('redis_evicts', {
        kind: verdict,
        cause: `maxmemory-policy ${policies.join(', ')}: set noeviction`,
      });
    }
    last = verdict;
    return verdict;
  };
  // What could not be reached until now has been waited for.
  const giveUpMs = monotonicMs() + (client.fit() ? FIRST_LOOK_MS : 0);
  let first = await look();
  while (first === undefined && monotonicMs() < giveUpMs) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    first = await look();
  }
  if (first === 'evicts_all' && blacklist === 'async') {
    throw new CommandError(
      'REDIS_EVICTS',
      4,
      'This Redis evicts any key when its memory is full (maxmemory-policy allkeys-*), claims that are not written yet ' +
        'among them. Set maxmemory-policy noeviction, or use --blacklist sync.',
    );
  }
  let lookedAtMs = monotonicMs();
  const timer = setInterval(() => {
    if (!gate.policiesKnown || monotonicMs() - lookedAtMs > LOOK_AGAIN_MS) {
      lookedAtMs = monotonicMs();
      void look();
    }
    gate.tell();
  }, TICK_MS).unref();
  releases.add(() => clearInterval(timer));
}

/** Says once that Redis is gone, and why as far as that is known, and once that it's back. */
export function redisNews(
  { log, onRedis }: RedisWatchOptions,
  gate: ClaimGate,
  redis: RedisSettings,
  obstacle: () => string | undefined,
): {
  readonly onError: (error: Error) => void;
  readonly onChange: (state: 'down' | 'up') => void;
  readonly onFault: (fault: RedisFault) => void;
} {
  let told = false;
  let lastError: string | undefined;
  const down = (): void => {
    if (told) return;
    told = true;
    const why =
      lastError ??
      obstacle() ??
      `it does not answer${redis.tls ? ': does it speak TLS (rediss://) at this port?' : ': is it a Redis, without TLS?'}`;
    log.warn('redis_down', {
      cause:
        `the Redis of --redis-url at ${placeOf(redis)}: ${why}. Refreshes go on without it: duplicates at two instances are ` +
        'told apart by the database alone',
    });
  };
  return {
    onError(error) {
      // What it refuses for good is told by onFault.
      if (isRefusal(error)) return;
      const failure = failureOf(error, redis);
      if (failure === undefined || failure.lasting) return;
      lastError = failure.why;
      down();
    },
    onFault: ({ code, message }) => log.error('redis_refused', { kind: code, cause: message }),
    onChange(state) {
      onRedis(state === 'up');
      // A cluster's slots move without a connection's end; a single node can't be another one without it.
      if (redis.kind === 'cluster') gate.onRedis(state);
      if (state === 'down') {
        down();
        return;
      }
      told = false;
      lastError = undefined;
      log.info('redis_up');
    },
  };
}
