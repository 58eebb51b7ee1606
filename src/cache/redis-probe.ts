import type { RedisKeys } from './partition.js';
import type { RedisAddress } from './redis-address.js';
import { connectRedis } from './redis-client.js';
import { refusedByItself, setUp } from './redis-set-up.js';

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

/**
 * Asks a Redis what it is, once.
 *
 * @throws RedisRefusedError, or what the client fails with
 */
export async function probeRedis(address: RedisAddress, keys: RedisKeys): Promise<RedisFacts> {
  const client = connectRedis(
    address,
    {
      commandTimeout: TIMEOUT_MS,
      connectTimeout: TIMEOUT_MS,
      maxRetriesPerRequest: 0,
      ...(address.username !== undefined && { username: address.username }),
      ...(address.password !== undefined && { password: address.password }),
      ...(address.tls && { tls: {} }),
      connectionName: 'carelink-tokens doctor',
    },
    () => null,
  );
  let failure: Error | undefined;
  client.on('error', (error: Error) => (failure ??= error));
  try {
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
    const fault = failure && refusedByItself(failure, keys);
    if (fault !== undefined) throw new RedisRefusedError(fault.message);
    // "Connection is closed" says less than what closed it.
    throw error instanceof RedisRefusedError ? error : (failure ?? error);
  } finally {
    client.disconnect();
  }
}
