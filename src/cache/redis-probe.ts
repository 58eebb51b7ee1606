import type { Cluster, Redis } from './ioredis.js';
import type { RedisKeys } from './partition.js';
import type { RedisAddress } from '../redis-address.js';
import { connectRedis } from './redis-client.js';
import { failureOf } from './redis-failure.js';
import { refusedByItself, unfit } from './redis-faults.js';
import { whatAnswers } from './redis-handshake.js';
import { setUp } from './redis-set-up.js';

export interface RedisFacts {
  readonly version: string;
  readonly maxmemoryPolicy: string;
  /** Bytes; 0: as much as there is. */
  readonly maxmemory: number;
  /** Why it can't be worked with at the moment, though it answers. */
  readonly obstacle: string | undefined;
  /** Whose its keys are, by carelink.identity; undefined: nobody's yet. */
  readonly owner: string | undefined;
}

/** Somebody waits at a terminal. */
const TIMEOUT_MS = 3_000;

/** It answers, and refuses what every connection needs. The message says what to do. */
export class RedisRefusedError extends Error {
  override readonly name = 'RedisRefusedError';
}

/** Nobody answers, or not at the moment. The message says why behind `does not answer`, without a full stop. */
export class RedisAwayError extends Error {
  override readonly name = 'RedisAwayError';
}

/**
 * Asks a Redis what it is, once.
 *
 * @throws RedisRefusedError, RedisAwayError
 */
export async function probeRedis(address: RedisAddress, keys: RedisKeys): Promise<RedisFacts> {
  const client = connectRedis(
    address,
    {
      commandTimeout: TIMEOUT_MS,
      connectTimeout: TIMEOUT_MS,
      maxRetriesPerRequest: 0,
      connectionName: 'carelink-tokens doctor',
    },
    () => null,
  );
  let failure: Error | undefined;
  // What a sentinel says tells more than that none was of use.
  client.on('sentinelError', (error: Error) => (failure ??= error));
  client.on('error', (error: Error) => (failure ??= error));
  try {
    await ready(client);
    const info = await client.info();
    const fault = await setUp({ client, address, keys, timeoutMs: TIMEOUT_MS });
    if (fault !== undefined && fault.code !== 'NOT_NOW') throw new RedisRefusedError(fault.message);
    const owner = await client.get(keys.owner).catch(() => null);
    const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
    return {
      version: field('redis_version'),
      maxmemoryPolicy: field('maxmemory_policy'),
      maxmemory: Number(field('maxmemory')),
      obstacle: fault?.message,
      owner: owner ?? undefined,
    };
  } catch (error) {
    if (error instanceof RedisRefusedError) throw error;
    // "Connection is closed" says less than what closed it.
    const cause = failure ?? (error as Error);
    const fault = refusedByItself(cause, { address, keys });
    if (fault !== undefined) throw new RedisRefusedError(fault.message);
    const other = await whatAnswers(address, TIMEOUT_MS);
    if (other !== undefined) throw new RedisRefusedError(unfit(other, address).message);
    throw new RedisAwayError(failureOf(cause, address)?.detail ?? `(${silence(address)})`);
  } finally {
    client.disconnect();
  }
}

/** A cluster's client has no queue for what comes before it knows its nodes. */
async function ready(client: Redis | Cluster): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), TIMEOUT_MS);
    client.once('ready', resolve);
    client.once('end', () => reject(new Error('Connection is closed.')));
  }).finally(() => clearTimeout(timer));
}

/** What is said where nothing was: as it looks where one side speaks TLS and the other one doesn't. */
function silence({ tls }: RedisAddress): string {
  return tls
    ? 'nothing was said in time: does it speak TLS (rediss://) at this port?'
    : 'nothing was said in time: is it a Redis, and without TLS?';
}
