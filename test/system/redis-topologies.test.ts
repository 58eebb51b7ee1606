import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { sendRefresh } from '../support/fleet.js';
import { createUsers, query, type FreshDatabase } from '../support/postgres.js';
import { startRedis, startRedisCluster, startSentinels } from '../support/redis.js';
import { startTlsRedis } from '../support/redis-topologies.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';

const ready = services().postgres !== undefined && services().redis !== undefined;

/** Only a bound against hanging. */
const PATIENCE_MS = 60_000;

// At once: each has its own Redis and servers, and waits most of the time.
describe.skipIf(!ready)('serve --redis-url', { concurrent: true }, () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await migratedDatabase();
  });
  afterAll(() => database.drop());

  type Finish = TestContext['onTestFinished'];
  const start = async (
    redisUrl: string,
    onTestFinished: Finish,
    env: Record<string, string> = {},
  ): Promise<TestServer> => {
    // By the environment: a URL may hold a password.
    const server = await startServer({ databaseUrl: database.url, env: { REDIS_URL: redisUrl, ...env } });
    onTestFinished(() => server.stop());
    return server;
  };

  /** A session that goes from server to server, each refresh of which has to succeed. */
  const session = async () => {
    const [login] = await issueTokens(database.url, await createUsers(database.url, 1));
    let token = login!.token;
    let requests = 0;
    return async (server: TestServer): Promise<void> => {
      const { status, pair } = await sendRefresh(server.url, String(login!.userId), token, requests++);
      expect(status).toBe(200);
      token = pair!.refresh;
    };
  };

  /** What one server learned of a token the other one knows without asking the database. */
  const expectShared = async (here: TestServer, there: TestServer): Promise<void> => {
    const refresh = await session();
    // What is learned is told without being waited for: the one that asks at once may be too early.
    for (const [one, other] of [
      [here, there],
      [there, here],
    ] as const) {
      const known = () => scrape(other, 'carelink_cache_lookups_total{result="active"}');
      await until(async () => {
        await refresh(one);
        const before = await known();
        await refresh(other);
        return (await known()) > before;
      });
    }
  };

  /** Its keys are named as ours; another's are left alone, until they are nobody's. */
  const expectOwned = async (
    cli: (...asked: string[]) => Promise<string>,
    server: TestServer,
  ): Promise<void> => {
    const owner = 'carelink_tokens:owner';
    const [ours] = await query<{ id: string }>(database.url, 'SELECT id FROM carelink.identity');
    expect(await cli('GET', owner)).toBe(ours!.id);
    await cli('SET', owner, 'another');
    await until(async () => (await checks(server))['redis'] === 'unreachable');
    await cli('DEL', owner);
    await until(async () => (await checks(server))['redis'] === 'ok');
    expect(await cli('GET', owner)).toBe(ours!.id);
  };

  it('alone: killed, it is told in /readyz and /metrics, and refreshes go on; back, it is used again', async ({
    onTestFinished,
  }) => {
    const redis = await startRedis();
    const server = await start(`redis://127.0.0.1:${redis.port}`, onTestFinished);
    const refresh = await session();
    await until(async () => (await checks(server))['redis'] === 'ok');
    await until(async () => (await scrape(server, 'carelink_store_up{store="redis"}')) === 1);
    // Before it was connected it may have been asked, and have been down.
    const outages = await scrape(server, 'carelink_redis_outages_total');
    await refresh(server);
    await redis.stop();
    // Nobody refreshes meanwhile: it's noticed all the same.
    await until(async () => (await scrape(server, 'carelink_store_up{store="redis"}')) === 0);
    expect(await readiness(server)).toMatchObject({
      status: 200,
      body: { ready: true, checks: { redis: 'unreachable' } },
    });
    for (let n = 0; n < 5; n++) await refresh(server);
    expect(await scrape(server, 'carelink_redis_outages_total')).toBe(outages + 1);
    const again = await startRedis('--port', String(redis.port));
    onTestFinished(() => again.stop());
    await until(async () => (await scrape(server, 'carelink_store_up{store="redis"}')) === 1);
    expect(await checks(server)).toMatchObject({ redis: 'ok' });
    await refresh(server);
  });

  it('redis+cluster:// shares what is known over three masters', async ({ onTestFinished }) => {
    const cluster = await startRedisCluster();
    onTestFinished(() => cluster.stop());
    const url = `redis+cluster://${cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
    const servers = await Promise.all([start(url, onTestFinished), start(url, onTestFinished)]);
    for (const server of servers) await until(async () => (await checks(server))['redis'] === 'ok');
    for (let n = 0; n < 3; n++) await expectShared(servers[0], servers[1]);
    // Users in slots of all of them.
    for (let n = 0; n < 30; n++) await (await session())(servers[n % 2]!);
    const keys = await Promise.all(cluster.nodes.map(({ cli }) => cli('DBSIZE')));
    expect(keys.every((count) => Number(count) > 0)).toBe(true);
    await expectOwned((...asked) => cluster.nodes[0]!.cli('-c', ...asked), servers[0]);
  });

  it('redis+sentinel:// follows the master to another Redis, and no refresh fails meanwhile', async ({
    onTestFinished,
  }) => {
    const sentinels = await startSentinels();
    onTestFinished(() => sentinels.stop());
    const servers = await Promise.all([
      start(sentinels.url, onTestFinished),
      start(sentinels.url, onTestFinished),
    ]);
    for (const server of servers) await until(async () => (await checks(server))['redis'] === 'ok');
    await expectShared(servers[0], servers[1]);
    const refresh = await session();
    const master = await sentinels.master();
    master.kill('SIGKILL');
    for (let failedOver = false; !failedOver;) {
      for (const server of servers) await refresh(server);
      failedOver = (await sentinels.master()) !== master;
    }
    for (const server of servers) await until(async () => (await checks(server))['redis'] === 'ok');
    await expectShared(servers[0], servers[1]);
    await expectOwned((await sentinels.master()).cli, servers[0]);
  });

  it('rediss:// believes a certificate of an authority that Node was told of, and no other', async ({
    onTestFinished,
  }) => {
    const redis = await startTlsRedis();
    onTestFinished(() => redis.stop());
    const trusting = { NODE_EXTRA_CA_CERTS: redis.ca };
    const servers = await Promise.all([
      start(redis.url, onTestFinished, trusting),
      start(redis.url, onTestFinished, trusting),
    ]);
    for (const server of servers) await until(async () => (await checks(server))['redis'] === 'ok');
    await expectShared(servers[0], servers[1]);

    await expect(start(redis.url, onTestFinished)).rejects.toThrow(
      /certificate is not trusted here\. Give the certificate of its authority with ssl_ca_certs=FILE/,
    );
    const named = await start(`${redis.url}?ssl_ca_certs=${redis.ca}`, onTestFinished);
    await expectShared(named, servers[0]);
  });
});

async function readiness(server: TestServer): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${server.adminUrl}/readyz`);
  return { status: response.status, body: await response.json() };
}

async function checks(server: TestServer): Promise<Record<string, string>> {
  return ((await readiness(server)).body as { checks: Record<string, string> }).checks;
}

/** NaN where there is no such sample. */
async function scrape(server: TestServer, sample: string): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${sample} `));
  return line === undefined ? (sample.includes('{') ? 0 : NaN) : Number(line.slice(sample.length + 1));
}

async function until(done: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (!(await done())) {
    if (Date.now() > deadlineMs) throw new Error('it did not come to be');
    await sleep(50);
  }
}
