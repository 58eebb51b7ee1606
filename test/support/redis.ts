import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface RedisServer {
  readonly port: number;
  readonly pid: number;
  readonly cli: (...args: string[]) => Promise<string>;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

/** Bounds against hanging only. */
const TRIES = 600;

/** A Redis of the test's own on a free port of loopback, or on the one that the arguments name. */
export async function startRedis(...args: string[]): Promise<RedisServer> {
  const named = args.indexOf('--port');
  const port = named < 0 ? await freePort() : Number(args[named + 1]);
  const directory = mkdtempSync(join(tmpdir(), 'carelink-redis-'));
  const child: ChildProcess = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...args],
    { stdio: 'ignore' },
  );
  const exited = once(child, 'exit');
  const atExit = () => child.kill('SIGKILL');
  process.once('exit', atExit);
  const cli = async (...command: string[]) =>
    (await run('redis-cli', ['-h', '127.0.0.1', '-p', String(port), ...command])).stdout.trim();
  await until(async () => (await cli('PING')) === 'PONG');
  return {
    port,
    pid: child.pid!,
    cli,
    kill: (signal) => void child.kill(signal),
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
      process.off('exit', atExit);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Three masters that share the slots. */
export async function startRedisCluster(): Promise<{ nodes: RedisServer[]; stop(): Promise<void> }> {
  const nodes = await Promise.all(
    [1, 2, 3].map(async () =>
      startRedis('--cluster-enabled', 'yes', '--cluster-port', String(await freePort())),
    ),
  );
  const bus = await Promise.all(nodes.map(({ cli }) => cli('CONFIG', 'GET', 'cluster-port')));
  const share = [
    ['0', '5460'],
    ['5461', '10922'],
    ['10923', '16383'],
  ];
  await Promise.all(nodes.map(({ cli }, at) => cli('CLUSTER', 'ADDSLOTSRANGE', ...share[at]!)));
  await Promise.all(nodes.map(({ cli }, at) => cli('CLUSTER', 'SET-CONFIG-EPOCH', String(at + 1))));
  for (const [at, { port }] of nodes.entries()) {
    if (at > 0) {
      await nodes[0]!.cli('CLUSTER', 'MEET', '127.0.0.1', String(port), bus[at]!.split('\n')[1]!);
    }
  }
  for (const { cli } of nodes) {
    await until(async () => (await cli('CLUSTER', 'INFO')).includes('cluster_state:ok'));
  }
  return {
    nodes,
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

export async function until(done: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (await done().catch(() => false)) return;
    await sleep(50);
  }
  throw new Error('Redis did not get ready');
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
