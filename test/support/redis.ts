import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { endWithUs } from './end-with-us.js';
import { freePort } from './free-port.js';

const run = promisify(execFile);

export interface RedisServer {
  readonly port: number;
  readonly pid: number;
  readonly cli: (...args: string[]) => Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Kills it, waits until it is gone, and starts it again: with what it had on its disk, or `empty`. */
  restart(options?: { readonly empty?: boolean; readonly downMs?: number }): Promise<void>;
  stop(): Promise<void>;
}

/** Bounds against hanging only. */
const TRIES = 600;

/** A Redis of the test's own on a free port of loopback, or on the one that the arguments name. */
export function startRedis(...args: string[]): Promise<RedisServer> {
  return startServer([], args);
}

/** Three sentinels would do; what they are told of is written down before they start, for they rewrite it. */
export function startSentinel(config: (port: number) => string): Promise<RedisServer> {
  return startServer(['--sentinel'], [], config);
}

async function startServer(
  mode: readonly string[],
  args: readonly string[],
  config?: (port: number) => string,
): Promise<RedisServer> {
  const named = args.indexOf('--port');
  const port = named < 0 ? await freePort() : Number(args[named + 1]);
  const directory = mkdtempSync(join(tmpdir(), 'carelink-redis-'));
  const file = join(directory, 'redis.conf');
  if (config !== undefined) writeFileSync(file, config(port));
  const own = [...(named < 0 ? ['--port', String(port)] : []), '--bind', '127.0.0.1', '--dir', directory];
  const command = config === undefined ? [...own, '--save', '', ...args] : [file, ...mode];
  let child: ChildProcess;
  let exited: Promise<unknown>;
  const launch = (): void => {
    child = endWithUs(spawn('redis-server', command, { stdio: 'ignore' }));
    exited = once(child, 'exit');
  };
  launch();
  const cli = async (...asked: string[]) =>
    (
      await run('redis-cli', ['-h', '127.0.0.1', '-p', String(port), ...asked], { timeout: 10_000 })
    ).stdout.trim();
  const ready = () => until(async () => (await cli('PING')) === 'PONG');
  await ready();
  return {
    port,
    get pid() {
      return child.pid!;
    },
    cli,
    kill: (signal) => void child.kill(signal),
    async restart({ empty = false, downMs = 0 } = {}) {
      child.kill('SIGKILL');
      await exited;
      if (empty) {
        for (const name of readdirSync(directory)) {
          if (/^(dump|appendonly)/.test(name))
            rmSync(join(directory, name), { recursive: true, force: true });
        }
      }
      await sleep(downMs);
      launch();
      await ready();
    },
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** How soon a cluster or sentinels take a node for dead: as short as a busy machine allows. */
const NODE_TIMEOUT_MS = '1500';

export interface RedisCluster {
  /** The three that began as masters. */
  readonly nodes: readonly RedisServer[];
  readonly replicas: readonly RedisServer[];
  stop(): Promise<void>;
}

/** Three masters that share the slots; with replicas, one each. */
export async function startRedisCluster({ replicas = false } = {}): Promise<RedisCluster> {
  const all = await Promise.all(
    Array.from({ length: replicas ? 6 : 3 }, async () =>
      startRedis(
        '--cluster-enabled', 'yes', '--cluster-port', String(await freePort()),
        '--cluster-node-timeout', NODE_TIMEOUT_MS, '--cluster-replica-validity-factor', '0',
      ),
    ),
  ); // prettier-ignore
  const nodes = all.slice(0, 3);
  const bus = await Promise.all(all.map(({ cli }) => cli('CONFIG', 'GET', 'cluster-port')));
  const share = [
    ['0', '5460'],
    ['5461', '10922'],
    ['10923', '16383'],
  ];
  await Promise.all(nodes.map(({ cli }, at) => cli('CLUSTER', 'ADDSLOTSRANGE', ...share[at]!)));
  await Promise.all(all.map(({ cli }, at) => cli('CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1))));
  for (const [at, { port }] of all.entries()) {
    if (at > 0) await all[0]!.cli('CLUSTER', 'MEET', '127.0.0.1', String(port), bus[at]!.split('\n')[1]!);
  }
  for (const { cli } of all) {
    await until(async () => (await cli('CLUSTER', 'INFO')).includes(`cluster_known_nodes:${all.length}`));
  }
  for (const [at, replica] of all.slice(3).entries()) {
    await until(
      async () =>
        (await replica.cli('CLUSTER', 'REPLICATE', await nodes[at]!.cli('CLUSTER', 'MYID'))) === 'OK',
    );
    await until(async () => (await replica.cli('INFO', 'replication')).includes('master_link_status:up'));
  }
  for (const { cli } of all) {
    await until(async () => (await cli('CLUSTER', 'INFO')).includes('cluster_state:ok'));
  }
  return {
    nodes,
    replicas: all.slice(3),
    stop: async () => {
      await Promise.all(all.map((node) => node.stop()));
    },
  };
}

export interface SentinelSetup {
  /** `redis+sentinel://...` of all of them. */
  readonly url: string;
  readonly sentinels: readonly RedisServer[];
  /** Both data nodes; which of them is the master changes. */
  readonly nodes: readonly RedisServer[];
  master(): Promise<RedisServer>;
  stop(): Promise<void>;
}

const SENTINEL_MASTER = 'tokens';

/** A master, its replica, and three sentinels that watch them. */
export async function startSentinels(): Promise<SentinelSetup> {
  const master = await startRedis();
  const replica = await startRedis('--replicaof', '127.0.0.1', String(master.port));
  const nodes = [master, replica];
  await until(async () => (await replica.cli('INFO', 'replication')).includes('master_link_status:up'));
  const sentinels = await Promise.all(
    [1, 2, 3].map(() =>
      startSentinel((port) =>
        [
          `port ${port}`,
          'bind 127.0.0.1',
          `sentinel monitor ${SENTINEL_MASTER} 127.0.0.1 ${master.port} 2`,
          `sentinel down-after-milliseconds ${SENTINEL_MASTER} ${NODE_TIMEOUT_MS}`,
          `sentinel failover-timeout ${SENTINEL_MASTER} 3000`,
        ].join('\n'),
      ),
    ),
  );
  const [first] = sentinels;
  await until(async () => {
    const known = await first!.cli('SENTINEL', 'MASTER', SENTINEL_MASTER);
    return /num-slaves\n1/.test(known) && /num-other-sentinels\n2/.test(known);
  });
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${SENTINEL_MASTER}`,
    sentinels,
    nodes,
    async master() {
      const address = await first!.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', SENTINEL_MASTER);
      return nodes.find(({ port }) => address.endsWith(String(port)))!;
    },
    stop: async () => {
      await Promise.all([...sentinels, ...nodes].map((node) => node.stop()));
    },
  };
}

/** Waits until it is so, tried again and again; what is thrown meanwhile is "not yet". */
export async function until(done: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (await done().catch(() => false)) return;
    await sleep(50);
  }
  throw new Error('Redis did not get ready');
}

/** Entries of all outboxes: claims that are answered and in no row yet. */
export async function owedIn(nodes: readonly RedisServer[]): Promise<number> {
  const script =
    "local n = 0 for _, k in ipairs(redis.call('KEYS', 'carelink_tokens:*:outbox')) do n = n + redis.call('XLEN', k) end return n";
  const lengths = await Promise.all(
    nodes.map(async ({ cli }) => {
      if ((await cli('ROLE')).startsWith('slave')) return 0;
      return Number(await cli('EVAL', script, '0'));
    }),
  );
  return lengths.reduce((sum, length) => sum + length, 0);
}
