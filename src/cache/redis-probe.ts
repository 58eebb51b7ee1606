import { connectRedis, type RedisAddress } from './redis-client.js';

export interface RedisFacts {
  readonly version: string;
  readonly maxmemoryPolicy: string;
  /** Bytes; 0: as much as there is. */
  readonly maxmemory: number;
}

/** Somebody waits at a terminal. */
const TIMEOUT_MS = 3_000;

/**
 * Asks a Redis what it is, once.
 *
 * @throws what the client fails with
 */
export async function probeRedis(address: RedisAddress): Promise<RedisFacts> {
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
    const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
    return {
      version: field('redis_version'),
      maxmemoryPolicy: field('maxmemory_policy'),
      maxmemory: Number(field('maxmemory')),
    };
  } catch (error) {
    // "Connection is closed" says less than what closed it.
    throw failure ?? error;
  } finally {
    client.disconnect();
  }
}
