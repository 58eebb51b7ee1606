/**
 * More refreshes than can be borne: open-loop load at multiples of the capacity, which a slow database, long signatures
 * (RSA with 4,096 bits), a share of a processor, or nothing but this machine bounds. By clients that give up after a 503 and clients that repeat; and Django
 * beside it. One command fills the table of docs/reliability.md.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, it, onTestFinished } from 'vitest';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDjango } from '../test/support/django.js';
import { query, startCluster, type Cluster } from '../test/support/postgres.js';
import { NOTICED_MS, startHaProxy } from '../test/support/haproxy.js';
import { startServer, type TestServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { issueTokens } from '../test/support/tokens.js';
import { startLoadGenerator } from './support/load.js';
import { migrateDatabase } from './support/migrate.js';
import { overload, spentOf, type OverloadResult } from './support/overload.js';

const SECONDS = Number(process.env['OVERLOAD_SECONDS'] ?? 20);
const STEPS = list('OVERLOAD_STEPS', '0.5,1,1.5,2,3,5').map(Number);
const CLIENTS = list('OVERLOAD_CLIENTS', 'give up,repeat');
const LIMITS = list('OVERLOAD_LIMITS', 'database,signature,processor,none');
const CONNECTIONS = Number(process.env['OVERLOAD_CONNECTIONS'] ?? 4_000);
/** More flags for `serve`: '--workers 2', '--redis-url redis://127.0.0.1:6379'. */
const ARGS = list('OVERLOAD_ARGS', '', ' ');

/** With an HAProxy in front that has so many requests at the server at a time, and keeps the others for half a second. */
const PROXY = Number(process.env['OVERLOAD_PROXY'] ?? 0);

const PATH = '/account/token/refresh/';
const USERS = 2_000;
/** Half of the capacity, for so long after the overload: how soon is everything as before? */
const AFTER_SECONDS = 4;
/** How often a client that repeats does so before it gives up. */
const REPEATS = 4;
const PATIENCE_MS = 10_000;

const canRun = services().django && services().postgresBin !== undefined;

interface Side {
  readonly name: string;
  readonly url: string;
  readonly cluster: Cluster;
  readonly users: readonly (number | string)[];
  /** Of tokens that are signed with RS256. */
  readonly privateKey?: KeyObject;
}

describe.skipIf(!canRun)('overload', () => {
  it.each(LIMITS)('bounded by: %s', async (limit) => {
    const { cluster, users } = await startDatabase();
    await migrateDatabase(cluster.url);
    const rsa = limit === 'signature' ? rsaKey() : undefined;
    const env = rsa && { CARELINK_SIGNING_KEY: '' };
    const args = [...ARGS, ...(rsa?.flags ?? [])];
    const server = await startServer({ databaseUrl: cluster.url, args, ...(env && { env }) });
    onTestFinished(() => server.stop());
    const side = {
      name: limit,
      url: (PROXY > 0 ? await proxyOf(server) : server.url) + PATH,
      cluster,
      users,
      ...(rsa && { privateKey: rsa.privateKey }),
    };
    if (limit === 'database') await slowDown(cluster);
    if (limit === 'processor') leaveShareOfProcessor(server.pid, 0.25);
    await measure(side, CLIENTS);
  });

  it.runIf(LIMITS.includes('none'))('of Django', async () => {
    const { cluster, users, url } = await startDatabase();
    await measure({ name: 'Django', url: url + PATH, cluster, users }, ['give up']);
  });
});

/** Tables as Django makes them, so that both servers have the same. */
async function startDatabase() {
  const settings = { fsync: 'on', max_connections: '200', max_wal_size: '4GB' };
  const cluster = await startCluster({ settings });
  onTestFinished(() => cluster.stop());
  const django = await startDjango({ database: cluster.url, workers: 4, threads: 8 });
  onTestFinished(() => django.stop());
  await django.bulkMint({ users: USERS });
  const rows = await query<{ id: number }>(cluster.url, 'SELECT id FROM auth_user ORDER BY id');
  return { cluster, users: rows.map(({ id }) => id), url: django.url };
}

/** A refresh signs twice: milliseconds of a core. */
function rsaKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 4_096 });
  const directory = mkdtempSync(join(tmpdir(), 'overload-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'key.pem');
  writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  return { privateKey, flags: ['--algorithm', 'RS256', '--signing-key-file', file] };
}

/** 4 ms for each token that is spent: the database works at as many as it has statements. */
async function slowDown(cluster: Cluster): Promise<void> {
  await query(
    cluster.url,
    `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN PERFORM pg_sleep(0.004); RETURN NEW; END $$;
     CREATE TRIGGER slow BEFORE INSERT ON token_blacklist_blacklistedtoken
       FOR EACH ROW EXECUTE FUNCTION slow()`,
  );
}

/** By a cgroup's quota, as a container has it. Where none can be had the process is stopped and let go in turn. */
function leaveShareOfProcessor(pid: number, share: number): void {
  try {
    limitByCgroup(pid, share);
  } catch (error) {
    console.log(`no cgroup (${String(error)}): stopping and starting the server in its place`);
    const script = fileURLToPath(new URL('./support/processor-share.mjs', import.meta.url));
    const child = spawn(process.execPath, [script, String(pid), String(share)], {
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    onTestFinished(() => void child.stdin.end());
  }
}

function limitByCgroup(pid: number, share: number): void {
  const directory = `/sys/fs/cgroup/cpu/overload-${pid}`;
  mkdirSync(directory);
  writeFileSync(`${directory}/cpu.cfs_period_us`, '20000');
  writeFileSync(`${directory}/cpu.cfs_quota_us`, String(20_000 * share));
  writeFileSync(`${directory}/cgroup.procs`, String(pid));
  onTestFinished(() => {
    // Only an empty one can be removed.
    try {
      writeFileSync('/sys/fs/cgroup/cpu/cgroup.procs', String(pid));
    } catch {
      // The server has ended already.
    }
    rmdirSync(directory);
  });
}

async function proxyOf({ url, adminUrl }: TestServer): Promise<string> {
  const server = { port: Number(new URL(url).port), adminPort: Number(new URL(adminUrl).port) };
  const proxy = await startHaProxy([server], { queue: { maxConnections: PROXY, timeoutMs: 500 } });
  onTestFinished(() => proxy.stop());
  await sleep(2 * NOTICED_MS);
  return proxy.url;
}

async function measure(side: Side, clients: readonly string[]): Promise<void> {
  const { url, cluster } = side;
  const load = startLoadGenerator();
  const closed = await tokensOf(side, 100);
  await load.run(url, closed, Math.min(3, SECONDS));
  const { perSecond: capacity } = await load.run(url, closed, Math.min(5, SECONDS));
  load.stop();
  console.log(`${side.name}: ${capacity.toFixed(0)}/s in a closed loop of 100 users`);
  for (const client of clients) {
    const rows = [];
    for (const step of STEPS) {
      const tokens = await tokensOf(
        side,
        Math.ceil(capacity * (SECONDS * Math.max(0.5, step) + AFTER_SECONDS)),
      );
      const result = await overload({
        url,
        tokens,
        phases: [
          { seconds: SECONDS, rate: step * capacity },
          { seconds: AFTER_SECONDS, rate: capacity / 2 },
        ],
        retries: client === 'repeat' ? REPEATS : 0,
        patienceMs: PATIENCE_MS,
        connections: CONNECTIONS,
        seed: 1,
      });
      // What was sent and not waited for is through by then.
      await sleep(2_000);
      rows.push(rowOf(step, result, await spentOf(cluster.url, result.unanswered)));
    }
    console.log(`${side.name}, clients ${client} after a 503`);
    console.table(rows);
  }
}

async function tokensOf({ cluster, users, privateKey }: Side, count: number): Promise<string[]> {
  const owners = Array.from({ length: count }, (_, n) => users[n % users.length]!);
  return (await issueTokens(cluster.url, owners, privateKey && { privateKey })).map(({ token }) => token);
}

function rowOf(
  times: number,
  { phases: [during, after], ...of }: OverloadResult,
  spent: { readonly refused: number; readonly noAnswer: number },
) {
  if (during === undefined || after === undefined) throw new Error('the generator said too little');
  const ms = (value: number | null) => (value === null ? '-' : Math.round(value));
  return {
    times,
    'offered/s': Math.round(during.offered),
    '200/s': Math.round(during.okPerSecond),
    'p50 ms': ms(during.p50Ms),
    'p99 ms': ms(during.p99Ms),
    '503/s': Math.round(during.refused),
    '503 p99 ms': ms(during.refusedP99Ms),
    'no answer': during.noAnswer,
    'spent, 503': spent.refused,
    'spent, none': spent.noAnswer,
    '% spent untold': +((100 * (spent.refused + spent.noAnswer)) / Math.max(1, during.ok)).toFixed(2),
    'recovery ms': ms(after.lastBadMs),
    'generator busy': +of.busy.toFixed(2),
  };
}

function list(name: string, otherwise: string, separator = ','): string[] {
  return (process.env[name] ?? otherwise).split(separator).filter((part) => part !== '');
}
