/**
 * Revoking 100,000 of 1,000,000 live tokens beside live traffic: how fast, what refreshes feel of it, and that
 * none of them refreshes on any of two instances when the command has ended.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createSimplejwtTables,
  createUsers,
  freshDatabase,
  query,
  type FreshDatabase,
} from '../test/support/postgres.js';
import { startRedis, type RedisServer } from '../test/support/redis.js';
import { BIN, cleanEnvironment, startServer, type TestServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { insertOutstanding, issueTokens, mintRefresh, type MintedToken } from '../test/support/tokens.js';
import { startLoadGenerator } from './support/load.js';
import { migrateDatabase } from './support/migrate.js';

const ROWS = Number(process.env['ROWS'] ?? 1_000_000);
const REVOKED = ROWS / 10;
const TRAFFIC_USERS = 20;
/** Of those that are revoked: presented to each instance afterwards. */
const PROBES = 1_000;
const ROWLESS = 100;

describe.skipIf(services().postgres === undefined || services().redis === undefined).each(['sync', 'async'])(
  `revoking ${REVOKED} of ${ROWS} tokens beside live traffic: %s`,
  (mode) => {
    let redis: RedisServer;
    let database: FreshDatabase;
    let servers: TestServer[];
    let probes: readonly MintedToken[];
    let traffic: string[];
    const nowSeconds = Math.floor(Date.now() / 1000);

    beforeAll(async () => {
      database = await freshDatabase();
      await createSimplejwtTables(database.url);
      const users = await createUsers(database.url, 1_000);
      await migrateDatabase(database.url, ...(mode === 'async' ? ['--notify'] : []));
      // Most of them only have to be there; those that are presented afterwards are real.
      probes = users
        .flatMap((userId) => mintRefresh({ userId, iatSeconds: nowSeconds - 7_200 }))
        .slice(0, PROBES);
      await insertOutstanding(database.url, probes);
      await query(
        database.url,
        `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
       SELECT repeat('x', 240), at, at + interval '12 hours', 1 + n % 1000, md5(n::text)
         FROM (SELECT n, now() - CASE WHEN n <= $1::int THEN interval '2 hours' ELSE interval '1 minute' END AS at
                 FROM generate_series(1, $2::int) AS n) AS rows`,
        [REVOKED - PROBES, ROWS - PROBES],
      );
      traffic = (
        await issueTokens(database.url, users.slice(0, TRAFFIC_USERS), { iatSeconds: nowSeconds })
      ).map((t) => t.token);
      await query(database.url, 'VACUUM ANALYZE');
      redis = await startRedis();
      const shared = ['--blacklist', mode, '--redis-url', `redis://127.0.0.1:${redis.port}`];
      servers = await Promise.all(
        [0, 1].map(() => startServer({ databaseUrl: database.url, args: mode === 'async' ? shared : [] })),
      );
    }, 300_000);
    afterAll(async () => {
      await Promise.all(servers.map((server) => server.stop()));
      await redis.stop();
      await database.drop();
    });

    it('none of them refreshes anywhere when the command has ended', async () => {
      const generator = startLoadGenerator();
      const url = `${servers[0]!.url}/account/token/refresh/`;
      const alone = await generator.run(url, traffic, 8);
      const child = spawn(
      process.execPath,
      [BIN, 'revoke', '--json', '--yes', '--database-url', database.url, '--issued-before', new Date((nowSeconds - 3_600) * 1000).toISOString()],
      { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'inherit'] },
    ); // prettier-ignore
      let said = '';
      child.stdout.on('data', (part) => (said += String(part)));
      const closed = once(child, 'close');
      const beside = await generator.run(url, traffic, 8);
      const [code] = (await closed) as [number];
      const endedAtMs = performance.now();
      expect(code).toBe(0);
      const done = JSON.parse(said.trimEnd().split('\n').at(-1)!) as Record<string, number>;
      expect(done['revoked']).toBe(REVOKED);

      const refused = await statusesOf(probes);
      // Of the same users, and without a row: Django refuses those by nothing, these servers by the mark.
      const rowless = probes
        .slice(0, ROWLESS)
        .map(({ userId }) => mintRefresh({ userId, iatSeconds: nowSeconds - 7_200 }));
      const rowlessRefused = await statusesOf(rowless);
      const probedMs = performance.now() - endedAtMs;
      generator.stop();
      console.log(
      JSON.stringify({
        mode, revokeMs: done['duration_ms'], batches: done['batches'], retries: done['retries'],
        aloneP99Ms: alone.p99Ms, besideP99Ms: beside.p99Ms, alonePerSecond: alone.perSecond,
        besidePerSecond: beside.perSecond, failedBeside: beside.failed, refused, rowlessRefused, probedMs: Math.round(probedMs),
      }),
    ); // prettier-ignore
      expect(beside.failed).toBe(0);
      expect(refused).toEqual(servers.map(() => ({ 401: PROBES })));
      expect(rowlessRefused).toEqual(servers.map(() => ({ 401: ROWLESS })));
    });

    /** How often each instance answered what. One after the other: of two at once one may be told 429, and to wait. */
    async function statusesOf(tokens: readonly MintedToken[]): Promise<Record<number, number>[]> {
      const counts: Record<number, number>[] = [];
      for (const server of servers) {
        const statuses = await Promise.all(tokens.map(({ token }) => present(server, token)));
        const count: Record<number, number> = {};
        for (const status of statuses) count[status] = (count[status] ?? 0) + 1;
        counts.push(count);
      }
      return counts;
    }
  },
);

async function present(server: TestServer, token: string): Promise<number> {
  const response = await fetch(`${server.url}/account/token/refresh/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ refresh: token }),
  });
  await response.arrayBuffer();
  return response.status;
}
