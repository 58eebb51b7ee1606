import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import type { Purpose } from '../../src/store/database.js';
import type { PgDatabase } from '../../src/store/pool.js';
import { testDatabase } from '../support/database.js';
import { sendRefresh } from '../support/fleet.js';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  query,
  type FreshDatabase,
} from '../support/postgres.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { issueTokens } from '../support/tokens.js';

/** So many at once after the rest. */
const AT_ONCE = 8;
const PATIENCE = { timeout: 30_000, interval: 100 };

const MODES = ['sync', 'async'] as const;
type Mode = (typeof MODES)[number];

/** Refreshes all its tokens at once, and returns how long the last one took. */
class Clients {
  #tokens: readonly string[];
  readonly #server: TestServer;

  constructor(server: TestServer, tokens: readonly string[]) {
    this.#server = server;
    this.#tokens = tokens;
  }

  async refreshAll(): Promise<number> {
    const answers = await Promise.all(
      this.#tokens.map((token, n) => sendRefresh(this.#server.url, '', token, n)),
    );
    expect(answers.map(({ status }) => status)).toEqual(this.#tokens.map(() => 200));
    this.#tokens = answers.map(({ pair }) => pair!.refresh);
    return Math.max(...answers.map(({ sentAtMs, endedAtMs }) => endedAtMs - sentAtMs));
  }

  /** Reading has connections of its own. */
  async verifyAll(): Promise<void> {
    const verify = (token: string) =>
      fetch(`${this.#server.url}/account/token/verify/`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token }),
      });
    await Promise.all(this.#tokens.map(verify));
  }
}

/** @param withinMs each is answered in that time; what hangs takes the request timeout, which is 5 s */
export function describeForgotten(forgetsAfterMs: number, restMs: number, withinMs: number): void {
  const ready = services().postgres !== undefined && services().redis !== undefined;
  describe.skipIf(!ready)(`connections that are forgotten when idle for ${forgetsAfterMs} ms`, () => {
    let database: FreshDatabase;
    let redis: RedisServer;
    let toDatabase: TcpProxy;
    let toRedis: TcpProxy;
    let pool: PgDatabase;
    let servers: Record<Mode, TestServer>;
    let clients: Record<Mode, Clients>;
    const asked: Purpose[] = [];

    /** All of the pool's connections at once. */
    const askAll = (text: string) =>
      Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          const sentAtMs = performance.now();
          await pool.query('claim', { text });
          return performance.now() - sentAtMs;
        }),
      );

    beforeAll(async () => {
      [database, redis] = await Promise.all([freshDatabase(), startRedis()]);
      await createSimplejwtTables(database.url);
      await applyMigrations(database.url, { createTables: false });
      const way = new URL(database.url);
      toDatabase = await startTcpProxy(Number(way.port || 5432), { forgetsAfterMs });
      toRedis = await startTcpProxy(redis.port, { forgetsAfterMs });
      way.port = String(toDatabase.port);
      const start = (mode: Mode, ...more: string[]) =>
        startServer({ databaseUrl: way.href, args: ['--blacklist', mode, ...more] });
      const [sync, async] = await Promise.all([
        start('sync'),
        start('async', '--redis-url', `redis://127.0.0.1:${toRedis.port}`),
      ]);
      servers = { sync, async };
      const logins = await issueTokens(database.url, await createUsers(database.url, 2 * AT_ONCE));
      const tokens = logins.map(({ token }) => token);
      clients = {
        sync: new Clients(sync, tokens.slice(0, AT_ONCE)),
        async: new Clients(async, tokens.slice(AT_ONCE)),
      };
      pool = testDatabase(way.href, { size: AT_ONCE, onStatement: (purpose) => asked.push(purpose) });
    });
    afterAll(async () => {
      await Promise.all([pool.end(), ...MODES.map((mode) => servers[mode].stop())]);
      await Promise.all([toDatabase.stop(), toRedis.stop()]);
      await Promise.all([redis.stop(), database.drop()]);
    });

    it('are asked for nothing more while they are busy', async () => {
      const openOfServers = async () => {
        await Promise.all(MODES.flatMap((mode) => [clients[mode].refreshAll(), clients[mode].verifyAll()]));
        const [row] = await query<{ open: number }>(
          database.url,
          `SELECT count(*)::int AS open FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'carelink-tokens serve'`,
        );
        return row!.open;
      };
      // Health checks alone would keep one of each server awake.
      await expect.poll(openOfServers, PATIENCE).toBeGreaterThan(4);
      await askAll('SELECT pg_sleep(0.2)');
      expect(pool.usage.open).toBe(AT_ONCE);
      for (let n = 0; n < 100; n++) await pool.query('claim', { text: 'SELECT 1' });
      expect(asked.filter((purpose) => purpose === 'health')).toEqual([]);
    });

    it('are found out before a statement is lost on them, all of them at once', async () => {
      const before = toDatabase.forgotten;
      await sleep(restMs);
      expect(toDatabase.forgotten - before).toBeGreaterThan(AT_ONCE);
      const tookMs = Math.max(...(await askAll('SELECT pg_sleep(0.05)')));
      console.log(JSON.stringify({ pool: AT_ONCE, forgetsAfterMs, restMs, tookMs: Math.round(tookMs) }));
      expect(tookMs).toBeLessThan(withinMs);
    });

    it.each(MODES)('keep no refresh waiting after a rest: --blacklist %s', async (mode) => {
      const tookMs = await clients[mode].refreshAll();
      console.log(JSON.stringify({ mode, forgetsAfterMs, restMs, tookMs }));
      expect(tookMs).toBeLessThan(withinMs);
      const checks = async () => {
        const answer = await fetch(`${servers[mode].adminUrl}/readyz`);
        return ((await answer.json()) as { checks: Record<string, string> }).checks;
      };
      await expect
        .poll(checks, PATIENCE)
        .toEqual(mode === 'sync' ? { database: 'ok' } : { database: 'ok', redis: 'ok' });
    });

    it('to Redis are replaced, though nothing says that they lead nowhere', async () => {
      const redisIs = async () => {
        const answer = await fetch(`${servers.async.adminUrl}/readyz`);
        return ((await answer.json()) as { checks: Record<string, string> }).checks['redis'];
      };
      await expect.poll(redisIs, PATIENCE).toBe('ok');
      toRedis.forget();
      await expect.poll(redisIs, PATIENCE).toBe('unreachable');
      await expect.poll(redisIs, PATIENCE).toBe('ok');
      await clients.async.refreshAll();
    });
  });
}
