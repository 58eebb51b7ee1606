import { spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisKeys } from '../../src/cache/partition.js';
import { connectRedis, openRedis } from '../../src/cache/redis-client.js';
import { probeRedis } from '../../src/cache/redis-probe.js';
import { redisNews, type RedisWatchOptions } from '../../src/compose/redis-watch.js';
import { ConfigError } from '../../src/config/errors.js';
import { serveSettings } from '../../src/config/serve-settings.js';
import type { ServeSettings } from '../../src/config/settings.js';
import type { RedisSettings } from '../../src/config/parts.js';
import { processSource } from '../../src/config/source.js';
import { freePort } from '../support/free-port.js';
import {
  startRedis,
  startRedisCluster,
  startSentinel,
  until,
  type RedisCluster,
  type RedisServer,
} from '../support/redis.js';
import { cleanEnvironment } from '../support/server.js';
import { services } from '../support/services.js';
import { REDIS_URLS, type RedisUrlCase } from './redis-urls-table.js';

const PASSWORD = 'p@s/s:w?r#d%é';
/** What Python and we take as it stands. */
const RAW = 'p@s:w%rd';

const SETTING_UP_MS = 90_000;
/** So many are tried at once, for most of the time is waiting. */
const AT_ONCE = 12;

interface Came {
  readonly comes: RedisUrlCase['comes'];
  readonly facts?: Readonly<Record<string, string>>;
  readonly says?: string;
  readonly doctor?: string;
  readonly warnings?: readonly string[];
}

describe.skipIf(services().redis === undefined)('a Redis URL', () => {
  let directory: string;
  let places: Readonly<Record<string, string>>;
  const running: { stop(): Promise<void> }[] = [];
  let ours: readonly Came[];
  let theirs: readonly { readonly facts?: unknown; readonly error?: string }[] | undefined;

  const filled = (text: string): string =>
    Object.entries(places).reduce((so, [name, value]) => so.replaceAll(`{${name}}`, value), text);

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'cl-'));
    for (const name of ['ca.crt', 'other-ca.crt', 'client.crt', 'client.key', 'client-locked.key', 'server.crt', 'server.key']) {
      copyFileSync(join('test/support/tls-authority', name), join(directory, name));
      chmodSync(join(directory, name), 0o600);
    } // prettier-ignore
    writeFileSync(
      join(directory, 'client.pem'),
      ['client.crt', 'client.key'].map((name) => readFileSync(join(directory, name), 'utf8')).join(''),
      { mode: 0o600 },
    );
    // As `openssl rehash` names it.
    mkdirSync(join(directory, 'authorities'));
    copyFileSync(join(directory, 'ca.crt'), join(directory, 'authorities', 'f20e0b1e.0'));
    const tlsOf = async (clients: 'yes' | 'no') => {
      const port = await freePort();
      const at = (name: string) => join(directory, name);
      const server = await startRedis(
        '--tls-port', String(port), '--tls-cert-file', at('server.crt'), '--tls-key-file', at('server.key'),
        '--tls-ca-cert-file', at('ca.crt'), '--tls-auth-clients', clients,
      ); // prettier-ignore
      return { server, port };
    };
    const [plain, pass, tls, mtls, cluster, master] = await Promise.all([
      startRedis('--unixsocket', join(directory, 'redis.sock'), '--unixsocketperm', '777'),
      startRedis(),
      tlsOf('no'),
      tlsOf('yes'),
      startRedisCluster(),
      startRedis(),
    ]);
    const web = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1');
    await once(web, 'listening');
    running.push({ stop: () => Promise.resolve(void web.close()) });
    running.push(plain, pass, tls.server, mtls.server, cluster, master);
    await grantUsers(plain, cluster);
    await pass.cli('ACL', 'SETUSER', 'percent', 'on', '>50%off', '~*', '&*', '+@all');
    await pass.cli('CONFIG', 'SET', 'requirepass', 'secret');
    const [open, closed] = await Promise.all([watching(master), watching(master)]);
    running.push(open, closed);
    await closed.cli('ACL', 'SETUSER', 'watcher', 'on', '>watch2', '~*', '&*', '+@all');
    await closed.cli('ACL', 'SETUSER', 'default', 'on', '>watch', '~*', '&*', '+@all');
    await master.cli('CONFIG', 'SET', 'requirepass', 'secret');
    places = {
      plain: String(plain.port),
      pass: String(pass.port),
      tls: String(tls.port),
      mtls: String(mtls.port),
      cluster: cluster.nodes.map(({ port }) => `localhost:${port}`).join(','),
      node: String(cluster.nodes[1]!.port),
      open: String(open.port),
      sentinel: String(closed.port),
      master: String(master.port),
      other: String((web.address() as AddressInfo).port),
      dir: directory,
      password: encodeURIComponent(PASSWORD),
      raw: RAW,
    };
    [ours, theirs] = await Promise.all([
      allAtOnce(REDIS_URLS, tryOne),
      services().redisPy ? redisPy() : undefined,
    ]);
  }, SETTING_UP_MS);

  afterAll(async () => {
    await Promise.all(running.map((started) => started.stop()));
    rmSync(directory, { recursive: true, force: true });
  });

  async function grantUsers(plain: RedisServer, cluster: RedisCluster): Promise<void> {
    const all = ['+@read', '+@write', '+@scripting', '+@connection', '+info', '+time'];
    const user = (name: string, ...rules: string[]) =>
      plain.cli('ACL', 'SETUSER', name, 'on', '>secret', '~carelink_tokens:*', ...all, '+client', ...rules);
    await user('partly', '-xautoclaim');
    await user('elsewhere', 'resetkeys', '~other:*');
    await user('mute', '-evalsha');
    await user('blind', '-info');
    const nodes = [plain, ...cluster.nodes];
    const rules = ['on', `>${PASSWORD}`, `>${RAW}`, '~*', '&*', '+@all'];
    await Promise.all(nodes.map(({ cli }) => cli('ACL', 'SETUSER', 'app', ...rules)));
  }

  async function watching(master: RedisServer): Promise<RedisServer> {
    const sentinel = await startSentinel((port) =>
      [
        `port ${port}`,
        'bind 127.0.0.1',
        `sentinel monitor tokens 127.0.0.1 ${master.port} 1`,
        'sentinel auth-pass tokens secret',
      ].join('\n'),
    );
    await until(async () =>
      (await sentinel.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'tokens')).includes(String(master.port)),
    );
    return sentinel;
  }

  async function allAtOnce<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
    const results: R[] = [];
    const entries = items.entries();
    const lane = async () => {
      for (const [at, item] of entries) results[at] = await work(item);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    return results;
  }

  /** As `serve` reads, connects and tells it, and as `doctor` does. */
  async function tryOne({ url, comes: expected }: RedisUrlCase): Promise<Came> {
    let settings: ServeSettings;
    try {
      settings = serveSettings(
        { 'redis-url': filled(url), 'database-url': 'postgres://u:p@h/d?sslmode=disable' },
        { ...processSource(), env: { CARELINK_SIGNING_KEY: 'k'.repeat(50) } },
      );
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { comes: 'url', says: error.problems.join('\n') };
    }
    const address = settings.redis!;
    const keys = new RedisKeys(address.prefix);
    const told: string[] = [];
    const options = {
      monotonicMs: () => performance.now(),
      onRedis: () => undefined,
      log: { warn: (_: string, { cause }: { cause: string }) => told.push(cause), error: () => undefined },
    } as unknown as RedisWatchOptions;
    const news = redisNews(options, { onRedis: () => undefined } as never, address, () => undefined);
    const client = openRedis({ address, keys, random: Math.random, onError: news.onError });
    // As `fitRedis` does it, with the patience of a test.
    let came: Pick<Came, 'comes' | 'says'> = { comes: 'away' };
    await until(async () => {
      if (client.fit()) came = { comes: 'connects' };
      else {
        const fault =
          client.fault() ??
          (told.length > 0 || client.obstacle() === undefined ? await client.diagnose() : undefined);
        came =
          fault === undefined
            ? { comes: 'away', says: told.join('\n') }
            : { comes: 'refused', says: fault.message };
      }
      return came.comes === expected && (came.comes !== 'away' || told.length > 0);
    }).catch(() => undefined);
    client.close();
    const facts = came.comes === 'connects' ? { facts: await factsOf(address) } : {};
    return { ...came, ...facts, warnings: settings.warnings, ...(await doctor(address, keys, expected)) };
  }

  /** What `doctor` says, with the patience of a test: that nothing was said in time is no answer where a machine is busy. */
  async function doctor(
    address: RedisSettings,
    keys: RedisKeys,
    expected: RedisUrlCase['comes'],
  ): Promise<{ doctor?: string }> {
    const wanted = { connects: /^$/, refused: /^RedisRefusedError/, away: /^RedisAwayError/, url: /^/ }[
      expected
    ];
    let said: string | undefined;
    await until(async () => {
      said = await probeRedis(address, keys).then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error)),
      );
      return wanted.test(said ?? '');
    }).catch(() => undefined);
    return said === undefined ? {} : { doctor: said };
  }

  async function factsOf(address: RedisSettings): Promise<Record<string, string>> {
    if (address.kind === 'cluster') return {};
    const client = connectRedis(address, {}, () => null);
    client.on('error', () => undefined);
    const info = String(await client.call('CLIENT', 'INFO'));
    client.disconnect();
    const field = (name: string) => new RegExp(`\\b${name}=(\\S*)`).exec(info)?.[1] ?? '';
    return { user: field('user'), db: field('db'), at: field('laddr') };
  }

  async function redisPy(): Promise<NonNullable<typeof theirs>> {
    const child = spawn('/usr/bin/python3', ['test/support/redis-py-connects.py'], {
      env: cleanEnvironment({ HOME: directory }),
      // It prints the stack of what a cluster refuses.
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    for (const one of REDIS_URLS) {
      const url = filled(one.py === undefined || one.py === 'none' ? one.url : one.py);
      child.stdin.write(`${JSON.stringify({ url, cluster: /cluster:/.test(one.url) })}\n`);
    }
    child.stdin.end();
    const results = [];
    for await (const line of createInterface({ input: child.stdout })) {
      results.push(JSON.parse(line) as { facts?: unknown; error?: string });
    }
    return results;
  }

  it.each(REDIS_URLS.map((one, n) => [one.url, one, n] as const))('%s', (_, one, n) => {
    const mine = ours[n]!;
    const other = one.py === 'none' ? undefined : theirs?.[n];
    expect(mine).toMatchObject({ comes: one.comes });
    expect(JSON.stringify(mine)).not.toMatch(/hunter|p@s|secret|opensesame|50%off|watch2/);
    const warned = mine.warnings?.filter((sentence) => sentence.startsWith('--redis-url'));
    if (one.comes !== 'url') expect(warned?.length).toBe(one.warns === undefined ? 0 : 1);
    if (one.warns !== undefined) expect(warned?.[0]).toContain(one.warns);
    if (one.comes === 'connects') {
      const to = Object.entries(one.to ?? {}).map(([name, value]) => [name, filled(value)]);
      expect(mine.facts).toMatchObject(Object.fromEntries(to) as object);
      expect(mine.doctor).toBeUndefined();
      // Whatever redis-py connects to, and as whom: the same.
      if (other === undefined) return;
      if (one.differs === undefined) expect(other.facts).toEqual(mine.facts);
      else expect(other.facts).not.toEqual(mine.facts);
      return;
    }
    expect(mine.says).toContain(filled(one.says ?? ''));
    expect(mine.says?.split('\n')).toHaveLength(1);
    if (one.comes === 'refused') expect(mine.doctor).toBe(`RedisRefusedError: ${mine.says}`);
    if (one.comes === 'away') expect(mine.doctor).toContain(`RedisAwayError`);
    if (one.comes === 'away') expect(mine.doctor).toContain(one.says);
    // redis-py comes to no connection either.
    if (other === undefined) return;
    if (one.differs === undefined) expect(other.error).toEqual(expect.any(String));
    else expect(other.facts).toEqual(expect.anything());
  });

  it('is one of at least 40 that are tried', () => expect(REDIS_URLS.length).toBeGreaterThanOrEqual(40));
});
