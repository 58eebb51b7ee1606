import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, startRedis, until, type RedisServer } from './redis.js';

const run = promisify(execFile);

export interface Sentinels {
  /** `redis+sentinel://...` of all of them. */
  readonly url: string;
  readonly master: RedisServer;
  /** Where the sentinels say that the master is. */
  masterPort(): Promise<number>;
  stop(): Promise<void>;
}

/** A master, its replica, and three sentinels that agree by two to put the one in the other's place. */
export async function startSentinels(name = 'tokens'): Promise<Sentinels> {
  const master = await startRedis();
  const replica = await startRedis('--replicaof', '127.0.0.1', String(master.port));
  await until(async () => (await master.cli('INFO', 'replication')).includes('state=online'));
  const sentinels = await Promise.all([1, 2, 3].map(() => startSentinel(name, master.port)));
  const ask = async (port: number, ...command: string[]) =>
    (await run('redis-cli', ['-h', '127.0.0.1', '-p', String(port), ...command])).stdout.trim();
  // They find one another, and the replica, by way of the master.
  for (const { port } of sentinels) {
    await until(async () => {
      const master = await ask(port, 'SENTINEL', 'MASTER', name);
      return /num-slaves\n1/.test(master) && /num-other-sentinels\n2/.test(master);
    });
  }
  return {
    url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${name}`,
    master,
    masterPort: async () =>
      Number((await ask(sentinels[0]!.port, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)).split('\n')[1]),
    stop: async () => {
      for (const one of [...sentinels, master, replica]) await one.stop();
    },
  };
}

async function startSentinel(name: string, masterPort: number) {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), 'carelink-sentinel-'));
  // A file of its own, which it writes to.
  const file = join(directory, 'sentinel.conf');
  writeFileSync(
    file,
    `port ${port}
bind 127.0.0.1
dir ${directory}
sentinel monitor ${name} 127.0.0.1 ${masterPort} 2
sentinel down-after-milliseconds ${name} 500
sentinel failover-timeout ${name} 3000
`,
  );
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const atExit = () => child.kill('SIGKILL');
  process.once('exit', atExit);
  return {
    port,
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
      process.off('exit', atExit);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface TlsRedis {
  readonly url: string;
  /** The file of the authority that signed its certificate. */
  readonly ca: string;
  stop(): Promise<void>;
}

/** A Redis that speaks nothing but TLS, with a certificate for 127.0.0.1 of an authority made for it. */
export async function startTlsRedis(): Promise<TlsRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-tls-'));
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => run('openssl', args);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await openssl(
    'req', '-x509', ...key, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-subj', '/CN=test authority', '-days', '2',
  ); // prettier-ignore
  await openssl('req', ...key, '-keyout', file('redis.key'), '-out', file('redis.csr'), '-subj', '/CN=redis');
  writeFileSync(file('san'), 'subjectAltName=IP:127.0.0.1\n');
  await openssl(
    'x509', '-req', '-in', file('redis.csr'), '-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial',
    '-out', file('redis.pem'), '-days', '2', '-extfile', file('san'),
  ); // prettier-ignore
  const tlsPort = await freePort();
  const server = await startRedis(
    '--tls-port', String(tlsPort), '--tls-cert-file', file('redis.pem'), '--tls-key-file', file('redis.key'),
    '--tls-ca-cert-file', file('ca.pem'), '--tls-auth-clients', 'no',
  ); // prettier-ignore
  return {
    url: `rediss://127.0.0.1:${tlsPort}`,
    ca: file('ca.pem'),
    stop: async () => {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
