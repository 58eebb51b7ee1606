import { Redis, SentinelConnector, type RedisOptions } from 'ioredis';
import type { Duplex } from 'node:stream';

export { Cluster, Redis, type RedisOptions } from 'ioredis';

/* The client, with two faults mended. Neither can be reached by its options: it makes most of its connections itself. */

interface Emitter {
  readonly stream?: Duplex;
  silentEmit: (this: Emitter, event: string, error?: unknown) => unknown;
}

/**
 * It hears the first error of a socket, and a socket with TLS may fail twice: our refusal of a certificate, and what the
 * server says to that. The second one would end the process.
 */
wrap(Redis.prototype as unknown as Emitter, 'silentEmit', (inner) => {
  return function (event, error) {
    if (event === 'error') this.stream?.on('error', () => undefined);
    return inner.call(this, event, error);
  };
});

interface Sentinels {
  connectToSentinel: (this: Sentinels, ...args: unknown[]) => Redis;
}

/** It prints the stack of each sentinel that is away: nobody hears of those that it subscribes at. */
class QuietSentinelConnector extends SentinelConnector {}
wrap(QuietSentinelConnector.prototype as unknown as Sentinels, 'connectToSentinel', (inner) => {
  return function (...args) {
    return inner.apply(this, args).on('error', () => undefined);
  };
});

export const QuietSentinels = QuietSentinelConnector as unknown as NonNullable<RedisOptions['Connector']>;

function wrap<T extends object, Name extends keyof T>(
  of: T,
  name: Name,
  around: (inner: T[Name]) => T[Name],
): void {
  of[name] = around(of[name]);
}
