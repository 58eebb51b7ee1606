import { Circuit } from '../cache/circuit.js';
import type { MemoryCache } from '../cache/memory.js';
import { OutboxStream } from '../cache/outbox-stream.js';
import { COMMAND_TIMEOUT_MS, openRedis, type ScriptClient } from '../cache/redis-client.js';
import { RedisKeys } from '../cache/partition.js';
import { RedisClock } from '../cache/redis-clock.js';
import { RedisCache } from '../cache/redis.js';
import type { RedisSettings } from '../config/parts.js';
import type { MetricsSink } from '../observe/metrics.js';
import { ClaimGate } from '../outbox/gate.js';
import { MAX_OWED, WriteBehind } from '../outbox/outbox.js';
import type { OutboxObserver } from '../outbox/ports.js';
import { TakeOver } from '../outbox/take-over.js';
import type { ChangeFeed } from '../rotation/change-feed.js';
import type { RotationContext } from '../rotation/context.js';
import { settleLateClaim } from '../rotation/late-claims.js';
import type { DatabaseClock, Outbox, TokenCache } from '../rotation/ports.js';
import type { OnSharedStatement } from '../rotation/span.js';
import type { Database } from '../store/database.js';
import type { RowDates } from '../store/row-dates.js';
import { SchemaError } from '../store/errors.js';
import type { TokenSchema } from '../store/schema.js';
import type { PgWriteBehind } from '../store/write-behind.js';
import { retryLetters, type OpenLetters } from './letters.js';
import { fitRedis, ownerOf, redisNews, watchEviction, type RedisWatchOptions } from './redis-watch.js';
import type { ReleaseStack } from './release.js';

export interface SharedCacheOptions extends RedisWatchOptions {
  /** Undefined: this process remembers by itself. */
  readonly redis: RedisSettings | undefined;
  /** Of what this process remembers by itself. */
  readonly bounds?: { readonly maxActive: number; readonly maxSpent: number };
  readonly requestTimeoutMs: number;
  readonly refreshLifetimeMs: number;
  readonly shutdownTimeoutMs: number;
  /** How long Redis may take for an answer; as a rule it is COMMAND_TIMEOUT_MS. */
  readonly redisTimeoutMs?: number;
  /** Claims that may be owed to the database; beyond it refreshes are answered 503. */
  readonly maxOwed?: number;
  readonly database: Database;
  readonly schema: TokenSchema;
  /** The hash of the password that a token holds; undefined: none is compared. */
  readonly passwordHashOf: ((token: string) => string | undefined) | undefined;
  readonly dates?: () => RowDates;
  readonly clock: DatabaseClock;
  readonly onStatement?: OnSharedStatement | undefined;
  /** What the database refused to write. */
  readonly unwritten: OpenLetters;
  readonly metrics: Pick<MetricsSink, 'onBackgroundWrite' | 'watchOutbox'>;
}

export interface SharedCache {
  readonly cache: TokenCache;
  readonly outbox: Outbox | undefined;
  /** How Redis is; undefined where there is none to be asked. */
  readonly check: () => Promise<'ok' | 'unreachable' | undefined>;
  /** For /kpis. */
  readonly status: () => { readonly mode: 'async' | 'sync'; readonly depth: number; readonly lag_ms: number };
  /** From now on it follows what others change, and deals with what turns out to have lost. */
  start(context: () => RotationContext, feed: ChangeFeed | undefined): void;
}

/** What a process has, with a Redis or without. */
export interface CacheParts {
  readonly local: MemoryCache;
  readonly writer: PgWriteBehind;
  readonly observe: OutboxObserver;
}

const TICK_MS = 1_000;

/** Redis, before this process's memory, with the outbox of what is claimed there. */
export async function openSharedCache(
  options: SharedCacheOptions,
  redis: RedisSettings,
  { local, writer, observe }: CacheParts,
  releases: ReleaseStack,
): Promise<SharedCache> {
  const { log, clock, monotonicMs, requestTimeoutMs, refreshLifetimeMs } = options;
  const { letters } = options.unwritten;
  const mode = wantedMode(options);
  let heard: ChangeFeed | undefined;
  let context: (() => RotationContext) | undefined;
  const gate = new ClaimGate({
    mode: mode === 'auto' ? 'auto' : 'async',
    heard: () => heard?.alive === true,
    clock,
    monotonicMs,
    onMode: (taken, why) =>
      log.info('blacklist_mode', { mode: taken ? 'async' : 'sync', ...(taken ? {} : { cause: why }) }),
  });

  const told = redisNews(options, gate, redis, () => client.obstacle());
  const commandTimeoutMs = options.redisTimeoutMs ?? COMMAND_TIMEOUT_MS;
  const keys = new RedisKeys(redis.prefix);
  let begun = false;
  const client: ScriptClient = openRedis({
    address: redis,
    keys,
    owner: await ownerOf(options.database, options.schema, log),
    random: Math.random,
    onError: told.onError,
    onConnect: () => gate.distrust(),
    // What keeps it from starting is what the start ends with.
    onFault: (fault) => begun && told.onFault(fault),
    timeoutMs: commandTimeoutMs,
  });
  releases.add(() => client.close());
  await fitRedis(client, options);
  begun = true;
  const shared = {
    client,
    keys,
    circuit: new Circuit(monotonicMs, Math.random),
    onChange: told.onChange,
    clock: new RedisClock(monotonicMs, redis.kind !== 'cluster'),
    refreshLifetimeMs,
    monotonicMs,
  };
  const cache: RedisCache = new RedisCache({
    ...shared,
    commandTimeoutMs,
    local,
    desk:
      mode === 'sync'
        ? undefined
        : {
            trustedSinceUs: () => gate.trustedSinceUs(),
            hasRoom: () => outbox.hasRoom(),
            owe: (claim, partition, entryId) => outbox.owe(claim, partition, entryId),
            owed: (jti) => outbox.owed(jti),
          },
    requestTimeoutMs,
    random: Math.random,
  });
  const telling = setInterval(() => {
    // Without refreshes nobody else would notice that Redis went, or came back.
    void client.look().then(() => cache.check());
    void cache.tell();
    void outbox.closeAgain();
  }, TICK_MS).unref();
  releases.add(() => clearInterval(telling));
  const stream = new OutboxStream({ ...shared, consumer: cache.consumer });
  const outbox = new WriteBehind({
    writer,
    stream,
    letters,
    late: (claim, written) =>
      context === undefined
        ? Promise.reject(new Error('not started'))
        : settleLateClaim(context(), claim, written),
    maxOwed: options.maxOwed ?? MAX_OWED,
    clock,
    requestTimeoutMs,
    monotonicMs,
    random: Math.random,
    observe,
    onUnclosed: () => gate.distrust(),
  });
  options.metrics.watchOutbox(() => outbox);
  const takeOver = new TakeOver({ outbox, stream, letters, observe, random: Math.random });
  releases.add(async () => {
    await takeOver.stop();
    const left = await outbox.drain(options.shutdownTimeoutMs);
    if (left > 0) {
      log.warn('outbox_not_drained', { count: left, cause: 'another instance takes them over from Redis' });
    }
  });
  if (mode !== 'sync') await watchEviction(client, gate, options, releases);

  return {
    cache,
    outbox,
    check: () => cache.check(),
    status: () => ({
      mode: cache.takesClaims ? 'async' : 'sync',
      depth: outbox.depth,
      lag_ms: Math.round(outbox.lagMs),
    }),
    start(given, feed) {
      context = given;
      heard = feed;
      feed?.subscribe({
        onChange: (change) => {
          // What is blacklisted the cache is told of by itself; of users, Redis' word is no longer taken.
          if (change.kind === 'user') void outbox.noteUser(change.userKey);
        },
        onAlive: () => gate.distrust(),
        onLost: () => undefined,
      });
      takeOver.start();
      retryLetters(
        options.unwritten,
        (claim) => outbox.writeLetter(claim),
        (error) => observe.onTrouble(error),
        releases,
      );
    },
  };
}

/** `auto` is sync where there is no place for dead letters; `async` says what is missing. */
function wantedMode({ blacklist, log, unwritten, schema }: SharedCacheOptions): 'auto' | 'sync' | 'async' {
  if (blacklist === 'sync' || unwritten.kept) return blacklist;
  if (blacklist === 'async') {
    throw new SchemaError(
      'CARELINK_SCHEMA_MISSING',
      `Asynchronous blacklisting needs the table ${schema.own}.dead_letters. Run \`carelink-tokens migrate\` on this database first.`,
    );
  }
  log.warn('blacklist_mode', { mode: 'sync', cause: 'carelink-tokens migrate has not been run for async' });
  return 'sync';
}
