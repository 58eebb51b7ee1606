import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { endWithUs } from './end-with-us.js';
import { until, type RedisServer } from './redis.js';

/** Claims that were taken in a Redis, as it tells them itself. */
export interface WatchedClaims {
  /** Token id -> who claimed it, each claim once: the process and the number of its request. */
  readonly ownersOf: ReadonlyMap<string, readonly string[]>;
  /** How many processes have claimed. */
  processes(): number;
  stop(): Promise<void>;
}

/** A script's SET of a token to "claimed": see src/cache/values.ts. */
const CLAIM = /\[\d+ lua\] "SET" "[^"]*:token:([0-9a-f]{32})" "c\d+:(?:[0-9a-f]{32}:)?([0-9a-f-]{36}:\d+)"/;

/** Reads MONITOR: what each server did in this Redis, under whatever names of keys. */
export async function watchClaims({ port, cli }: RedisServer): Promise<WatchedClaims> {
  const child = endWithUs(
    spawn('redis-cli', ['-h', '127.0.0.1', '-p', String(port), 'MONITOR'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const exited = once(child, 'exit');
  const ownersOf = new Map<string, string[]>();
  let heard = false;
  createInterface({ input: child.stdout }).on('line', (line) => {
    heard ||= line.includes('"PING"');
    const [, jti, owner] = CLAIM.exec(line) ?? [];
    if (jti === undefined || owner === undefined) return;
    const owners = ownersOf.get(jti);
    if (owners === undefined) ownersOf.set(jti, [owner]);
    else owners.push(owner);
  });
  await until(async () => {
    await cli('PING');
    return heard;
  });
  return {
    ownersOf,
    processes: () => new Set([...ownersOf.values()].flat().map((owner) => owner.split(':')[0])).size,
    stop: async () => {
      child.kill();
      await exited;
    },
  };
}
