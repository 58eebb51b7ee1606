import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { query, type FreshDatabase } from '../support/postgres.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { BIN, cleanEnvironment, startServer } from '../support/server.js';
import { endWithUs } from '../support/end-with-us.js';
import { services } from '../support/services.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';
import { run } from './run.js';

/** Takes connections and says nothing. */
async function startSilent(): Promise<{ readonly port: number; stop(): void }> {
  const server = createServer((socket) => endless.add(socket));
  const endless = new Set<Socket>();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    stop: () => {
      for (const socket of endless) socket.destroy();
      server.close();
    },
  };
}

/** Only a bound against hanging. */
const PATIENCE = { timeout: 30_000, interval: 50 };

// At once: a process takes long to start, and each test has databases of its own in Redis.
describe.skipIf(services().postgres === undefined || services().redis === undefined)(
  'serve and its Redis',
  () => {
    let redis: RedisServer;
    let ours: FreshDatabase;
    let theirs: FreshDatabase;
    beforeAll(async () => {
      redis = await startRedis();
      [ours, theirs] = await Promise.all([migrated(), migrated()]);
    });
    afterAll(async () => {
      await Promise.all([redis.stop(), ours.drop(), theirs.drop()]);
    });

    const migrated = async () => {
      const database = await migratedDatabase();
      return database;
    };
    const url = (path = '') => `redis://127.0.0.1:${redis.port}${path}`;
    const identityOf = async (database: FreshDatabase) =>
      (await query<{ id: string }>(database.url, 'SELECT id FROM carelink.identity'))[0]!.id;

    /** One that is to end by itself. */
    async function refused(
      database: FreshDatabase,
      ...args: string[]
    ): Promise<{ code: number | null; said: string }> {
      const child = spawn(
        process.execPath,
        [BIN, 'serve', '--port', '0', '--admin-port', '0', '--database-url', database.url, ...args],
        {
          env: cleanEnvironment({ CARELINK_SIGNING_KEY: TEST_SIGNING_KEY }),
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
      endWithUs(child);
      let said = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (said += String(part)));
      const [code] = (await once(child, 'close')) as [number | null];
      return { code, said };
    }

    it.each([['auto'], ['sync'], ['async', '--workers', '2']])(
      'does not start on a database that Redis lacks, and says so: --blacklist %s',
      async (mode, ...more) => {
        const { code, said } = await refused(ours, '--redis-url', url('/16'), '--blacklist', mode, ...more);
        expect(code).toBe(4);
        expect(said).toMatch(/Redis refuses SELECT 16: ERR DB index is out of range/);
      },
    );

    it.each([
      ['rediss://127.0.0.1:{port}', 4, /it does not speak TLS at this port: write redis:/],
      ['redis+cluster://127.0.0.1:{port}', 4, /it is no cluster: write redis:/],
      ['redis://:p%ff@127.0.0.1:{port}', 2, /its password has %XX that are not UTF-8/],
      ['rediss://127.0.0.1:{port}?ssl_ca_certs=/none/ca.pem', 2, /\/none\/ca\.pem does not exist/],
    ])('says in a sentence why it does not start: %s', async (text, exitCode, sentence) => {
      const { code, said } = await refused(ours, '--redis-url', text.replace('{port}', String(redis.port)));
      expect(said).toMatch(sentence);
      expect(said).not.toMatch(/\n\s+at /);
      expect(code).toBe(exitCode);
    });

    it('does not start in the Redis of another system; with a prefix or a database of its own it does', async ({
      onTestFinished,
      expect,
    }) => {
      const first = await startServer({ databaseUrl: ours.url, args: ['--redis-url', url()] });
      onTestFinished(() => first.stop());
      const ids = await Promise.all([identityOf(ours), identityOf(theirs)]);
      expect(await redis.cli('GET', 'carelink_tokens:owner')).toBe(ids[0]);
      const { code, said } = await refused(theirs, '--redis-url', url());
      expect(code).toBe(4);
      for (const part of [...ids, '--redis-prefix', 'carelink_tokens:owner']) expect(said).toContain(part);

      const beside = await startServer({
        databaseUrl: theirs.url,
        args: ['--redis-url', url()],
        env: { CARELINK_REDIS_PREFIX: 'staging' },
      });
      onTestFinished(() => beside.stop());
      expect(await redis.cli('GET', 'staging:owner')).toBe(ids[1]);

      // And while it runs: flushed, it is named again; another one's, it is as good as down.
      const readiness = async () => {
        const answer = await fetch(new URL('/readyz', first.adminUrl));
        return ((await answer.json()) as { checks: { redis: string } }).checks.redis;
      };
      await redis.cli('FLUSHDB');
      await expect.poll(() => redis.cli('GET', 'carelink_tokens:owner'), PATIENCE).toBe(ids[0]);
      await redis.cli('SET', 'carelink_tokens:owner', ids[1]);
      await expect.poll(readiness, PATIENCE).toBe('unreachable');
      expect(first.output()).toMatch(
        /"event":"redis_refused".*"kind":"REDIS_OWNED"|"kind":"REDIS_OWNED".*redis_refused/,
      );
      await redis.cli('SET', 'carelink_tokens:owner', ids[0]);
      await expect.poll(readiness, PATIENCE).toBe('ok');
    });

    it('goes without the owner where the migration identity is missing, and says so', async ({
      onTestFinished,
    }) => {
      const old = await migrated();
      onTestFinished(() => old.drop());
      await query(old.url, 'DROP TABLE carelink.identity');
      const server = await startServer({ databaseUrl: old.url, args: ['--redis-url', url('/5')] });
      onTestFinished(() => server.stop());
      expect(server.output()).toMatch(
        /"event":"redis_owner_unknown".*migration identity is missing|migration identity is missing.*redis_owner_unknown/,
      );
      expect(await redis.cli('-n', '5', 'EXISTS', 'carelink_tokens:owner')).toBe('0');
    });

    it('doctor tells of another system, of a replica, of a full one and of one that says nothing, as serve does', async () => {
      const look = async (redisUrl: string, ...args: string[]) => {
        const { stdout } = await run(
          ['doctor', '--json', '--database-url', ours.url, '--redis-url', redisUrl, ...args],
          { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY },
        );
        const { checks } = JSON.parse(stdout) as {
          checks: { check: string; findings: { what: string }[] }[];
        };
        return checks
          .filter(({ check }) => check.startsWith('redis'))
          .flatMap(({ findings }) => findings.map(({ what }) => what))
          .join('\n');
      };
      const owned = `owned:${randomUUID()}`;
      await redis.cli('SET', `${owned}:owner`, await identityOf(theirs));
      const [replica, silent] = await Promise.all([
        startRedis('--replicaof', `127.0.0.1 ${redis.port}`),
        startSilent(),
      ]);
      const replicaUrl = `redis://127.0.0.1:${replica.port}`;
      const server = startServer({ databaseUrl: ours.url, args: ['--redis-url', replicaUrl] });
      try {
        const [another, follower, nobody] = await Promise.all([
          look(url(), '--redis-prefix', owned),
          look(replicaUrl),
          look(`redis://127.0.0.1:${silent.port}`),
        ]);
        expect(another).toMatch(/belongs to another system/);
        expect(follower).toMatch(/it is a replica, which takes no writes/);
        expect(nobody).toMatch(/nothing was said in time: is it a Redis/);
        const serving = await server;
        await expect.poll(() => serving.output(), PATIENCE).toContain('"event":"redis_down"');
        expect(serving.output()).toMatch(
          new RegExp(
            `the Redis of --redis-url at 127\\.0\\.0\\.1:${replica.port}: it is a replica.*"event":"redis_down"`,
          ),
        );
        await replica.cli('REPLICAOF', 'NO', 'ONE');
        await replica.cli('CONFIG', 'SET', 'maxmemory', '1');
        expect(await look(replicaUrl)).toMatch(/its memory is full/);
      } finally {
        await (await server).stop();
        await replica.stop();
        silent.stop();
      }
    });
  },
);
