import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { run } from '../cli/run.js';
import { sendRefresh } from '../support/fleet.js';
import { startBouncer, type Bouncer } from '../support/pgbouncer.js';
import {
  createSimplejwtTables,
  createUsers,
  query,
  startCluster,
  type Cluster,
} from '../support/postgres.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { issueTokens, TEST_SIGNING_KEY, type MintedToken } from '../support/tokens.js';

const { postgresBin, pgbouncer, redis: redisHere } = services();
const ready = postgresBin !== undefined && pgbouncer !== undefined && redisHere !== undefined;

const PATIENCE = { timeout: 20_000, interval: 50 };
const USERS = 10;

/** Tests go on from one another: a primary and its standby are started once, and fail over once. */
describe.skipIf(!ready)('a primary, its asynchronous standby, and a backup of it', () => {
  let primary: Cluster;
  let standby: Cluster;
  let backup: Cluster;
  let proxy: TcpProxy;
  let redis: RedisServer;
  let bouncer: Bouncer;
  /** One with nothing but its memory; two with a Redis, of which one punishes. */
  let servers: Record<'memory' | 'redis' | 'strict', TestServer>;
  let behind: TestServer;

  const login = async (count: number) => issueTokens(primary.url, await createUsers(primary.url, count));
  let requests = 0;
  const refresh = (server: TestServer, token: string) => sendRefresh(server.url, '', token, requests++);
  const rotate = async (server: TestServer, token: string): Promise<string> => {
    const { status, pair } = await refresh(server, token);
    if (pair === undefined) throw new Error(`answered ${status}`);
    return pair.refresh;
  };
  const database = async ({ adminUrl }: TestServer): Promise<string> => {
    const answer = await fetch(`${adminUrl}/readyz`);
    const { checks } = (await answer.json()) as { checks: Record<string, string> };
    return `${answer.status} ${checks['database']}`;
  };
  const start = (databaseUrl: string, ...args: string[]) =>
    startServer({ databaseUrl, args: ['--request-timeout', '1s', '--pool-size', '4', ...args] });

  beforeAll(async () => {
    [primary, redis] = await Promise.all([startCluster(), startRedis()]);
    await createSimplejwtTables(primary.url);
    await applyMigrations(primary.url, { createTables: false });
    await query(primary.url, 'CREATE ROLE fenced LOGIN SUPERUSER');
    [standby, proxy] = await Promise.all([
      startCluster({ copyOf: { url: primary.url, standby: true } }),
      startTcpProxy(primary.port),
    ]);
    const url = primary.url.replace(String(primary.port), String(proxy.port));
    bouncer = await startBouncer(standby.url, { pool_mode: 'transaction' });
    const [memory, shared, strict] = await Promise.all([
      start(url),
      start(url, '--redis-url', `redis://127.0.0.1:${redis.port}`),
      start(url, '--redis-url', `redis://127.0.0.1:${redis.port}`, '--on-reuse', 'revoke-user'),
    ]);
    servers = { memory, redis: shared, strict };
  });
  afterAll(async () => {
    await Promise.all([...Object.values(servers), behind].map((server) => server.stop()));
    await Promise.all([bouncer.stop(), proxy.stop(), redis.stop()]);
    await Promise.all([primary, standby, backup].map((cluster) => cluster.stop()));
  });

  it('obeys a fence: a role that is read only is not written with, which /readyz says, until the fence is gone', async () => {
    const [held, other] = await login(2);
    const server = await start(primary.url.replace('postgres@', 'fenced@'));
    try {
      const next = await rotate(server, held!.token);
      await query(
        primary.url,
        `ALTER ROLE fenced SET default_transaction_read_only = on;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'fenced'`,
      );
      await expect.poll(() => database(server), PATIENCE).toBe('503 read only');
      const answer = await fetch(`${server.url}/account/token/refresh/`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ refresh: next }),
      });
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
      const doctor = await run(['doctor', '--json'], {
        CARELINK_SIGNING_KEY: TEST_SIGNING_KEY,
        DATABASE_URL: primary.url.replace('postgres@', 'fenced@'),
      });
      expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining('are read only')]);
      const counted = await query<{ spent: number }>(
        primary.url,
        'SELECT count(*)::int AS spent FROM token_blacklist_blacklistedtoken',
      );
      expect(counted).toEqual([{ spent: 1 }]);
      await query(primary.url, 'ALTER ROLE fenced RESET default_transaction_read_only');
      await expect.poll(async () => (await refresh(server, next)).status, PATIENCE).toBe(200);
      expect(await database(server)).toBe('200 ok');
      await rotate(server, other!.token);
    } finally {
      await server.stop();
    }
  });

  it('is told of a full disk by the claims that meet it, while reading goes on', async () => {
    const [first, second] = await login(2);
    await query(
      primary.url,
      `CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END $$;
       CREATE TRIGGER no_space BEFORE INSERT ON token_blacklist_blacklistedtoken EXECUTE FUNCTION no_space()`,
    );
    expect(await database(servers.memory)).toBe('200 ok');
    expect((await refresh(servers.memory, first!.token)).status).toBe(503);
    expect(await database(servers.memory)).toBe('503 disk full');
    const metrics = await (await fetch(`${servers.memory.adminUrl}/metrics`)).text();
    expect(metrics).toContain('carelink_store_up{store="database"} 0');
    await query(primary.url, 'DROP FUNCTION no_space CASCADE');
    expect((await refresh(servers.memory, second!.token)).status).toBe(200);
    expect(await database(servers.memory)).toBe('200 ok');
  });

  let waiting: MintedToken;
  it('starts behind PgBouncer before a standby, and says that it is read only', async () => {
    [waiting] = (await login(1)) as [MintedToken];
    const caughtUp = async () =>
      (
        await query<{ n: number }>(
          standby.url,
          `SELECT count(*)::int AS n FROM token_blacklist_outstandingtoken WHERE jti = '${waiting.jti}'`,
        )
      )[0]?.n;
    await expect.poll(caughtUp, PATIENCE).toBe(1);
    behind = await start(bouncer.url);
    expect(await database(behind)).toBe('503 read only');
    const answers = await Promise.all([1, 2, 3].map(() => refresh(behind, waiting.token)));
    expect(answers.map(({ status }) => status).filter((status) => status !== 503 && status !== 429)).toEqual(
      [],
    );
    expect(await database(behind)).toBe('503 read only');
  });

  interface Family {
    readonly server: TestServer;
    readonly userId: number | string;
    /** Oldest first; the last one is what the honest client holds. */
    readonly line: string[];
  }
  const families: Family[] = [];
  /** Where an old token is presented: at a server that has never seen it, where it has Redis to ask. */
  const elsewhere = ({ server }: Family): TestServer => {
    if (server === servers.memory) return server;
    return server === servers.redis ? servers.strict : servers.redis;
  };
  const grow = async (family: Family, by: number): Promise<void> => {
    for (let n = 0; n < by; n++) family.line.push(await rotate(family.server, family.line.at(-1)!));
  };

  it('refuses what it knows as spent when a failover has lost the commits, and goes on with the tips', async () => {
    for (const server of Object.values(servers)) {
      for (const { token, userId } of await login(USERS)) families.push({ server, userId, line: [token] });
    }
    await Promise.all(families.map((family) => grow(family, 1)));
    const lsn = async (url: string, which: string) =>
      (await query<{ at: string }>(url, `SELECT ${which} AS at`))[0]!.at;
    const sent = await lsn(primary.url, 'pg_current_wal_lsn()');
    await expect
      .poll(async () => lsn(standby.url, `(pg_last_wal_replay_lsn() >= '${sent}')::text`), PATIENCE)
      .toBe('true');
    // From here on the standby hears nothing: what is committed now is lost with the primary.
    await query(standby.url, `ALTER SYSTEM SET primary_conninfo = ''`);
    await query(standby.url, 'SELECT pg_reload_conf()');
    await expect
      .poll(async () => query(standby.url, 'SELECT pid FROM pg_stat_wal_receiver'), PATIENCE)
      .toEqual([]);
    await Promise.all(families.map((family) => grow(family, 2)));
    await primary.kill9();
    await query(standby.url, 'SELECT pg_promote()');
    proxy.leadTo(standby.port);
    for (const server of Object.values(servers)) {
      await expect.poll(() => database(server), PATIENCE).toBe('200 ok');
    }
    // The tokens that the standby knows as unspent, and those that it has never seen.
    const answers = await Promise.all(
      families.flatMap((family) =>
        family.line.slice(1, -1).map((token) => refresh(elsewhere(family), token)),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(2 * families.length).fill(401));
    await Promise.all(families.map((family) => grow(family, 2)));
  });

  it('punishes nobody for a token that is older than the failover, and others as before', async () => {
    const server = servers.strict;
    const revoked = async () =>
      (await query<{ user_key: string }>(standby.url, 'SELECT user_key FROM carelink.revoked_before')).map(
        ({ user_key }) => user_key,
      );
    /** As where two branches met: the successor stands, and another claim made it. */
    const presentAgain = async (token: string) => {
      const changed = await query(
        standby.url,
        `UPDATE token_blacklist_blacklistedtoken SET blacklisted_at = blacklisted_at - interval '1 minute'
          WHERE token_id = (SELECT id FROM token_blacklist_outstandingtoken WHERE token = $1) RETURNING id`,
        [token],
      );
      expect(changed).toHaveLength(1);
      return (await refresh(server, token)).status;
    };
    const honest = families.find((family) => family.server === server)!;
    // The tip of the moment when it failed over: spent since.
    expect(await presentAgain(honest.line.at(-3)!)).toBe(401);
    await grow(honest, 1);
    expect(await revoked()).toEqual([]);
    expect(server.output()).toContain('"event":"token_reuse"');
    expect(server.output()).toContain('"event":"history_cut"');

    // An iat counts seconds: one of the failover's own second is older than it.
    await sleep(1_100);
    const [thief] = await issueTokens(standby.url, await createUsers(standby.url, 1));
    await rotate(server, thief!.token);
    expect(await presentAgain(thief!.token)).toBe(401);
    expect(await revoked()).toEqual([String(thief!.userId)]);
  });

  it('goes on behind PgBouncer when the standby is promoted', async () => {
    await expect.poll(() => database(behind), PATIENCE).toBe('200 ok');
    expect((await refresh(behind, waiting.token)).status).toBe(200);
  });

  it('refuses what it knows as spent when a backup is put in its place, which keeps its timeline', async () => {
    backup = await startCluster({ copyOf: { url: standby.url, standby: false } });
    await Promise.all(families.map((family) => grow(family, 2)));
    // How far it had come is known from the last reading.
    for (const server of Object.values(servers)) expect(await database(server)).toBe('200 ok');
    await standby.kill9();
    proxy.leadTo(backup.port);
    for (const server of Object.values(servers)) {
      await expect.poll(() => database(server), PATIENCE).toBe('200 ok');
    }
    const answers = await Promise.all(
      families.flatMap((family) =>
        family.line.slice(-3, -1).map((token) => refresh(elsewhere(family), token)),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(2 * families.length).fill(401));
    await Promise.all(families.map((family) => grow(family, 1)));
    await expect
      .poll(() => servers.memory.output().split('"event":"history_cut"').length - 1, PATIENCE)
      .toBe(2);
  });
});
