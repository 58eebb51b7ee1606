import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { BEGIN_LUA, FINISH_LUA } from './scripts.js';

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is: alone, a cluster, or a master that sentinels know by name. */
export interface RedisAddress {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  /** One node; some of the cluster's; or the sentinels. */
  readonly nodes: readonly RedisNode[];
  readonly masterName: string | undefined;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}

type ScriptCommand = (...keysAndArguments: string[]) => Promise<unknown>;

/** The client with its scripts. Commands go out without waiting for one another, and each is given up in time. */
export interface ScriptClient {
  readonly begin: ScriptCommand;
  readonly finish: ScriptCommand;
  exists(key: string): Promise<number>;
  setFor(key: string, value: string, lifeMs: number): Promise<unknown>;
  close(): void;
}

/**
 * A hundred milliseconds: a healthy Redis answers in one or two, and a burst can hold this process's own event loop
 * for some tens. It is also the longest that a request is held up by a Redis that froze.
 */
const COMMAND_TIMEOUT_MS = 100;

const CONNECT_TIMEOUT_MS = 2_000;

/** Reconnects are jittered, or a restart would be met by all instances at once. */
const RECONNECT_FIRST_MS = 50;
const RECONNECT_MAX_MS = 2_000;

/** Connects in the background. Until that is done, and whenever it is lost, commands fail at once. */
export function openRedis(
  address: RedisAddress,
  random: () => number,
  onError: (error: Error) => void,
): ScriptClient {
  const retryDelayMs = (times: number): number =>
    Math.min(RECONNECT_MAX_MS, RECONNECT_FIRST_MS * 2 ** Math.min(times, 10)) * (0.5 + random() / 2);
  const options: RedisOptions = {
    ...(address.username !== undefined && { username: address.username }),
    ...(address.password !== undefined && { password: address.password }),
    ...(address.tls && { tls: {} }),
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    // What waited for a reconnect would be answered long after its request has gone on without.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    connectionName: 'carelink-tokens',
  };
  const client = connectRedis(address, options, retryDelayMs);
  client.on('error', onError);
  client.defineCommand('carelinkBegin', { numberOfKeys: 3, lua: BEGIN_LUA });
  client.defineCommand('carelinkFinish', { numberOfKeys: 4, lua: FINISH_LUA });
  const scripts = client as unknown as Record<'carelinkBegin' | 'carelinkFinish', ScriptCommand>;
  return {
    begin: (...args) => scripts.carelinkBegin(...args),
    finish: (...args) => scripts.carelinkFinish(...args),
    exists: (key) => client.exists(key),
    setFor: (key, value, lifeMs) => client.set(key, value, 'PX', lifeMs),
    close: () => client.disconnect(),
  };
}

/** A client of the right kind. */
export function connectRedis(
  address: RedisAddress,
  options: RedisOptions,
  /** Null: not again. */
  retryDelayMs: (times: number) => number | null,
): Redis | Cluster {
  const nodes = address.nodes.map(({ host, port }) => ({ host, port }));
  switch (address.kind) {
    case 'single':
      return new Redis({ ...options, ...nodes[0], db: address.database, retryStrategy: retryDelayMs });
    case 'sentinel':
      return new Redis({
        ...options,
        sentinels: nodes,
        name: address.masterName ?? '',
        db: address.database,
        retryStrategy: retryDelayMs,
        sentinelRetryStrategy: retryDelayMs,
        ...(address.tls && { enableTLSForSentinelMode: true }),
      });
    case 'cluster':
      return new Cluster(nodes, {
        redisOptions: options,
        enableOfflineQueue: false,
        clusterRetryStrategy: retryDelayMs,
        // Behind TLS the names are what the certificate is checked against.
        ...(address.tls && { dnsLookup: (host, done) => done(null, host) }),
      });
  }
}
