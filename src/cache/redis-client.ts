import { Cluster, QuietSentinels, Redis, type RedisOptions } from './ioredis.js';
import type { RedisKeys } from './partition.js';
import type { RedisAddress } from '../redis-address.js';
import { gathered, type ScriptCommand } from './gathered.js';
import { RedisGuard } from './redis-guard.js';
import { isDenied, unfit, type RedisFault } from './redis-faults.js';
import { whatAnswers } from './redis-handshake.js';
import { redisTlsOptions } from './redis-tls.js';
import {
  BEGIN_LUA, CLAIM_LUA, CLOSE_LUA, FINISH_LUA, LEAVE_LUA, SETTLE_LUA, TAKE_OVER_LUA,
} from './scripts.js'; // prettier-ignore

/** Of a refresh: those that come together are sent together. Each by its text and the number of keys of one. */
const GATHERED = {
  begin: [BEGIN_LUA, 3],
  finish: [FINISH_LUA, 4],
  claim: [CLAIM_LUA, 6],
} as const;

/** Each by its text and number of keys; undefined: the first argument says how many. */
const SCRIPTS = {
  takeOver: [TAKE_OVER_LUA, 1],
  settle: [SETTLE_LUA, undefined],
  closeFor: [CLOSE_LUA, 2],
  leave: [LEAVE_LUA, 1],
} as const;

type ScriptName = keyof typeof SCRIPTS | keyof typeof GATHERED;

/** The client with its scripts. Commands go out without waiting for one another, and each is given up in time. */
export interface ScriptClient extends Readonly<Record<ScriptName, ScriptCommand>> {
  exists(key: string): Promise<number>;
  get(key: string): Promise<string | null>;
  setFor(key: string, value: string, lifeMs: number): Promise<unknown>;
  /** `maxmemory-policy` of each node that keeps data. */
  evictionPolicies(): Promise<string[]>;
  /** Why nothing is sent to it though it answers; undefined: it is fit, or was not reached. */
  fault(): RedisFault | undefined;
  fit(): boolean;
  /** Why it can't be worked with at the moment, though it was reached. */
  obstacle(): string | undefined;
  /** Looks again whether it is fit; to be called now and then. Never rejects. */
  look(): Promise<void>;
  /** Where it was not reached: whether what answers there is something else. Never rejects. */
  diagnose(): Promise<RedisFault | undefined>;
  close(): void;
}

/**
 * A hundred milliseconds: a healthy Redis answers in one or two, and a burst can hold this process's own event loop
 * for some tens. By a Redis that froze a request is held up twice as long, until that is known (circuit.ts).
 */
export const COMMAND_TIMEOUT_MS = 100;

const CONNECT_TIMEOUT_MS = 2_000;

/**
 * A connection over which nothing comes back for so long is replaced: a firewall may have forgotten it, and TCP would go on
 * trying for a quarter of an hour. Longer than a Redis forks or a process is held up.
 */
const SILENT_MS = 3_000;

/** Reconnects are jittered, or a restart would be met by all instances at once. */
const RECONNECT_FIRST_MS = 50;
const RECONNECT_MAX_MS = 2_000;

export interface OpenRedisOptions {
  readonly address: RedisAddress;
  readonly random: () => number;
  readonly onError: (error: Error) => void;
  /** A node was connected, or connected again: it may be another one by now, or have lost what it knew. */
  readonly onConnect?: () => void;
  /** It answers, and must not be worked with. */
  readonly onFault?: (fault: RedisFault) => void;
  readonly timeoutMs?: number;
  readonly keys: RedisKeys;
  /** Whose keys these have to be. Undefined: that is not looked at. */
  readonly owner?: string | undefined;
}

/** The set-up of a connection is no request's: somebody waits for it, but not so impatiently. */
const SET_UP_TIMEOUT_MS = 2_000;

/** Connects in the background. Until that is done, whenever it is lost, and while it isn't fit, commands fail at once. */
export function openRedis({
  address,
  random,
  onError,
  onConnect = () => undefined,
  onFault = () => undefined,
  timeoutMs = COMMAND_TIMEOUT_MS,
  keys,
  owner,
}: OpenRedisOptions): ScriptClient {
  const retryDelayMs = (times: number): number =>
    Math.min(RECONNECT_MAX_MS, RECONNECT_FIRST_MS * 2 ** Math.min(times, 10)) * (0.5 + random() / 2);
  const options: RedisOptions = {
    // What was given up here long ago; see `inTime`.
    commandTimeout: 20 * timeoutMs,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENT_MS,
    // What waited for a reconnect would be answered long after its request has gone on without.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    connectionName: 'carelink-tokens',
    // A master that was demoted while it was away answers so: ask the sentinels again.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
  const client = connectRedis(address, options, retryDelayMs);
  client.on('error', onError);
  let closed = false;
  // The client gives up for good where sentinels tell of a new master just while it asks them for it.
  client.on('end', () => {
    if (!closed) setTimeout(() => closed || void client.connect().catch(() => undefined), retryDelayMs(1));
  });
  const guard = new RedisGuard({
    client, address, keys, owner, onFault, onFit: onConnect, timeoutMs: Math.max(timeoutMs, SET_UP_TIMEOUT_MS),
  }); // prettier-ignore
  const onRefused = (error: unknown): void => {
    if (isDenied(error)) guard.denied();
  };
  const inTimeIfFit = <T>(send: () => Promise<T>): Promise<T> =>
    guard.fit
      ? inTime(send(), timeoutMs, onRefused)
      : Promise.reject(new Error('Redis is not fit to be worked with'));
  const scripts = {} as Record<ScriptName, ScriptCommand>;
  const define = (name: string, lua: string, numberOfKeys?: number): ScriptCommand => {
    const command = `carelink_${name}`;
    client.defineCommand(command, { lua, ...(numberOfKeys !== undefined && { numberOfKeys }) });
    return (...args) =>
      inTimeIfFit(
        () => (client as unknown as Record<string, ScriptCommand>)[command]?.(...args) ?? Promise.resolve(),
      );
  };
  for (const [name, [lua, numberOfKeys]] of Object.entries(SCRIPTS))
    scripts[name as keyof typeof SCRIPTS] = define(name, lua, numberOfKeys);
  const placeOf = address.kind === 'cluster' ? slotOf : () => '';
  for (const [name, [lua, keysOfOne]] of Object.entries(GATHERED))
    scripts[name as keyof typeof GATHERED] = gathered(define(name, lua), keysOfOne, placeOf, isRefusal);
  return {
    ...scripts,
    exists: (key) => inTimeIfFit(() => client.exists(key)),
    get: (key) => inTimeIfFit(() => client.get(key)),
    setFor: (key, value, lifeMs) => inTimeIfFit(() => client.set(key, value, 'PX', lifeMs)),
    fault: () => guard.fault,
    fit: () => guard.fit,
    obstacle: () => guard.obstacle,
    look: () => guard.look(),
    async diagnose() {
      const why = await whatAnswers(address);
      return why === undefined ? undefined : unfit(why, address);
    },
    async evictionPolicies() {
      const nodes = client instanceof Cluster ? client.nodes('master') : [client];
      const infos = await Promise.all(nodes.map((node) => node.info('memory')));
      return infos.map((info) => /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'unknown');
    },
    close: () => {
      closed = true;
      client.disconnect();
    },
  };
}

/**
 * Gives up waiting after a while. Not when the timer fires, but after what has arrived by then was read: a process that
 * was held up itself, by others on its machine as a rule, finds the timer first and the answer in the socket, and would
 * take a healthy Redis for dead.
 */
function inTime<T>(reply: Promise<T>, timeoutMs: number, onRefused: (error: unknown) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => setImmediate(() => reject(new Error('Redis did not answer in time'))),
      timeoutMs,
    );
    reply
      .then(resolve, (error: unknown) => {
        onRefused(error);
        reject(error instanceof Error ? error : new Error('Redis failed', { cause: error }));
      })
      .finally(() => clearTimeout(timer));
  });
}

/** What decides about the slot of a key: the text in its braces (partition.ts). */
const slotOf = (key: string): string => key.slice(key.indexOf('{'), key.indexOf('}'));

/** It answered, with an error. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

/** A client of the right kind, that logs in as the address says. */
export function connectRedis(
  address: RedisAddress,
  more: RedisOptions,
  /** Null: not again. */
  retryDelayMs: (times: number) => number | null,
): Redis | Cluster {
  const nodes = address.nodes.map(({ host, port }) => ({ host, port }));
  const { sentinel } = address;
  const tls = address.tls && redisTlsOptions(address.tls);
  const options: RedisOptions = {
    ...more,
    ...(address.username !== undefined && { username: address.username }),
    ...(address.password !== undefined && { password: address.password }),
    ...(tls && { tls }),
  };
  switch (address.kind) {
    case 'single':
      return new Redis({
        ...options,
        ...(address.path === undefined ? nodes[0] : { path: address.path }),
        db: address.database,
        retryStrategy: retryDelayMs,
      });
    case 'sentinel':
      return new Redis({
        ...options,
        sentinels: nodes,
        name: address.masterName ?? '',
        db: address.database,
        retryStrategy: retryDelayMs,
        sentinelRetryStrategy: retryDelayMs,
        // One that froze takes connections and says nothing: the next one is asked.
        sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
        Connector: QuietSentinels,
        // A master that froze keeps its connections: only the sentinels say that there is another one.
        failoverDetector: true,
        ...(sentinel?.username !== undefined && { sentinelUsername: sentinel.username }),
        ...(sentinel?.password !== undefined && { sentinelPassword: sentinel.password }),
        ...(sentinel?.tls === true && { sentinelTLS: tls ?? {} }),
        ...(tls && { enableTLSForSentinelMode: true }),
      });
    case 'cluster':
      return new Cluster(nodes, {
        redisOptions: options,
        enableOfflineQueue: false,
        clusterRetryStrategy: retryDelayMs,
        // Behind TLS the names are what the certificate is checked against.
        ...(tls && { dnsLookup: (host, done) => done(null, host) }),
      });
  }
}
