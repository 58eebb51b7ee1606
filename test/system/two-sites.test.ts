import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../cli/run.js';
import { sendRefresh } from '../support/fleet.js';
import { startBouncer, type Bouncer } from '../support/pgbouncer.js';
import {
  createSimplejwtTables,
  freshDatabase,
  openClient,
  query,
  type FreshDatabase,
} from '../support/postgres.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken, insertOutstanding, mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';

const { postgres, redis: hasRedis, pgbouncer } = services();
const KEY = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };

/** Only a bound against hanging. */
const PATIENCE = { timeout: 60_000, interval: 50 };

const jtiOf = (token: string): string => String(decodeToken(token).claims['jti']);

/** As django-tenants has it: token tables in each tenant's schema, and users of both in `public`. */
describe.skipIf(postgres === undefined || hasRedis === undefined || pgbouncer === undefined)(
  'two sites in one database, with one Redis',
  () => {
    let database: FreshDatabase;
    let redis: RedisServer;
    let bouncer: Bouncer;
    let url: string;
    /** The first by --schema; the second by its search path, through a pooler that gives each transaction another session. */
    let t1: TestServer;
    let t2: TestServer;
    const stops: (() => Promise<unknown>)[] = [];
    const inT1 = (): string[] => ['--database-url', url, '--schema', 't1'];
    const inT2 = (): string[] => ['--database-url', `${bouncer.url}?options=-c%20search_path%3Dt2`];
    const overRedis = (): string[] => [
      '--redis-url',
      `redis://127.0.0.1:${redis.port}`,
      '--blacklist',
      'auto',
    ];
    const command = async (...args: string[]) => {
      const { code, stderr, stdout } = await run(args, KEY);
      expect([code, stderr]).toEqual([0, expect.anything()]);
      return stdout;
    };
    const refresh = (server: TestServer, token: string) => sendRefresh(server.url, 'f', token, 0);
    const successor = async (server: TestServer, token: string): Promise<string> => {
      const { status, pair } = await refresh(server, token);
      if (pair === undefined) throw new Error(`${status}`);
      return pair.refresh;
    };
    /** The same token in both: what belongs to one must not be taken for the other's. */
    const login = async (userId: number): Promise<string> => {
      const minted = mintRefresh({ userId, iatSeconds: Math.floor(Date.now() / 1000) - 60 });
      for (const schema of ['t1', 't2'])
        await insertOutstanding(`${url}?options=-c%20search_path%3D${schema}`, [minted]);
      return minted.token;
    };
    const isBlacklisted = async (schema: string, token: string): Promise<boolean> => {
      const rows = await query(
        url,
        `SELECT FROM ${schema}.token_blacklist_blacklistedtoken b
           JOIN ${schema}.token_blacklist_outstandingtoken o ON o.id = b.token_id WHERE o.jti = $1`,
        [jtiOf(token)],
      );
      return rows.length > 0;
    };

    beforeAll(async () => {
      database = await freshDatabase();
      ({ url } = database);
      stops.push(() => database.drop());
      [redis, bouncer] = await Promise.all([
        startRedis(),
        startBouncer(url, { pool_mode: 'transaction', server_round_robin: '1', default_pool_size: '3' }),
      ]);
      stops.push(
        () => redis.stop(),
        () => bouncer.stop(),
      );
      await query(
        url,
        `CREATE SCHEMA t1; CREATE SCHEMA t2;
         CREATE TABLE auth_user (id integer PRIMARY KEY, is_active boolean NOT NULL, password text);
         INSERT INTO auth_user SELECT n, true, '' FROM generate_series(1, 9) n`,
      );
      for (const schema of ['t1', 't2']) {
        await createSimplejwtTables(`${url}?options=-c%20search_path%3D${schema}`, { users: false });
        await query(
          url,
          `ALTER TABLE ${schema}.token_blacklist_outstandingtoken
             ADD FOREIGN KEY (user_id) REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED`,
        );
      }
      await command('migrate', '--notify', ...inT1());
      await command('migrate', '--notify', '--database-url', `${url}?currentSchema=t2`);
      t1 = await startServer({ databaseUrl: url, args: ['--schema', 't1', ...overRedis()], env: KEY });
      stops.push(() => t1.stop());
      t2 = await startServer({
        databaseUrl: inT2()[1]!,
        args: ['--listen-url', url, ...overRedis(), '--redis-prefix', 'second'],
        env: KEY,
      });
      stops.push(() => t2.stop());
    });
    afterAll(async () => {
      for (const stop of stops.reverse()) await stop();
    });

    it('each has a schema of ours, and says so', async () => {
      expect(
        await query(
          url,
          `SELECT 'carelink' AS own, schema FROM carelink.home UNION ALL SELECT 'carelink_t2', schema FROM carelink_t2.home`,
        ),
      ).toEqual([
        { own: 'carelink', schema: 't1' },
        { own: 'carelink_t2', schema: 't2' },
      ]);
      const ids = `SELECT id FROM carelink.identity UNION SELECT id FROM carelink_t2.identity`;
      expect(await query(url, ids)).toHaveLength(2);
      for (const site of [inT1(), ['--database-url', `${url}?currentSchema=t2`]])
        await command('migrate', 'status', ...site);
    });

    it('doctor, grants and dead letters go by the same schema, also through the pooler', async () => {
      await login(7);
      const { checks } = JSON.parse((await run(['doctor', '--json', ...inT2()], KEY)).stdout) as {
        checks: { check: string; status: string }[];
      };
      expect(checks.filter(({ status }) => status === 'fault')).toEqual([]);
      expect(await command('migrate', 'grants', '--role', 'app', ...inT2())).toMatch(
        /ON carelink_t2\.revoked_before TO "app"/,
      );
      await query(url, `INSERT INTO carelink_t2.dead_letters (code, entry) VALUES ('23503', 'unreadable')`);
      expect(JSON.parse(await command('dead-letters', 'list', '--json', ...inT1()))).toMatchObject({
        letters: [],
      });
      await command('dead-letters', 'drop', '--all', '--yes', ...inT2());
      expect(await query(url, 'SELECT FROM carelink_t2.dead_letters')).toEqual([]);
    });

    it('a second owner on one Redis prefix is refused', async () => {
      const serve = ['serve', '--port', '0', '--admin-port', '0', ...inT2(), ...overRedis()];
      const { code, stderr } = await run(serve, KEY);
      expect([code, stderr]).toEqual([4, expect.stringMatching(/REDIS_OWNED.*--redis-prefix/s)]);
    });

    it('a claim of one, made in Redis and written behind, is none of the other', async () => {
      for (const server of [t1, t2]) {
        await expect.poll(() => server.output(), PATIENCE).toMatch(/"mode":"async","event":"blacklist_mode"/);
      }
      const token = await login(1);
      const first = await successor(t1, token);
      const second = await successor(t1, first);
      // A successor that Redis knows is claimed there.
      await expect.poll(() => isBlacklisted('t1', first), PATIENCE).toBe(true);
      expect(await isBlacklisted('t2', token)).toBe(false);
      // There it is unspent, and so is its successor, which has the same id: the keys are the same.
      const theirs = await successor(t2, token);
      expect(jtiOf(theirs)).toBe(jtiOf(first));
      await successor(t2, theirs);
      await expect.poll(() => isBlacklisted('t2', theirs), PATIENCE).toBe(true);
      const keys = (await redis.cli('KEYS', '*')).split('\n');
      expect(new Set(keys.map((key) => key.split(':')[0]))).toEqual(new Set(['carelink_tokens', 'second']));
      expect((await refresh(t1, first)).status).toBe(401);
      await successor(t1, second);
    });

    it('a revocation of one, of a user or of everybody, is none of the other', async () => {
      const one = await login(3);
      const other = await login(4);
      await command('revoke', '--user', '3', '--yes', ...inT1());
      expect((await refresh(t1, one)).status).toBe(401);
      const kept = await successor(t2, one);
      await command('revoke', '--user', '4', '--yes', ...inT2());
      expect((await refresh(t2, other)).status).toBe(401);
      const live = await successor(t1, other);
      await command('revoke', '--issued-before', 'now', '--yes', ...inT2());
      expect((await refresh(t2, kept)).status).toBe(401);
      await successor(t1, live);
      expect(await query(url, 'SELECT user_key FROM carelink.revoked_before')).toEqual([{ user_key: '3' }]);
    });

    it('a log-out at Django is told to its own servers alone, and a user’s deactivation to both', async () => {
      const told: string[] = [];
      const listener = await openClient(url);
      listener.on('notification', ({ channel }) => told.push(channel));
      await listener.query('LISTEN carelink_changes; LISTEN carelink_t2_changes');
      const token = await login(5);
      const held = await successor(t1, token);
      await query(
        url,
        `INSERT INTO t1.token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM t1.token_blacklist_outstandingtoken WHERE jti = $1`,
        [jtiOf(held)],
      );
      // Redis called it active: it is refused because the trigger told of it.
      await expect.poll(() => told, PATIENCE).toContain('carelink_changes');
      await expect.poll(async () => (await refresh(t1, held)).status, PATIENCE).toBe(401);
      await listener.query('SELECT 1');
      expect(new Set(told)).toEqual(new Set(['carelink_changes']));
      await query(url, 'UPDATE auth_user SET is_active = false WHERE id = 6');
      await expect.poll(() => new Set(told).size, PATIENCE).toBe(2);
      await listener.end();
    });

    it('neither runs the other’s cleanup, nor waits for its lease or for its migrations', async () => {
      for (const schema of ['t1', 't2'])
        await query(
          url,
          `INSERT INTO ${schema}.token_blacklist_outstandingtoken (token, created_at, expires_at, jti)
           SELECT '', now() - interval '31 days', now() - interval '30 days', 'old' || n FROM generate_series(1, 5) n`,
        );
      const old = async (schema: string): Promise<number> =>
        (await query(url, `SELECT FROM ${schema}.token_blacklist_outstandingtoken WHERE jti LIKE 'old%'`))
          .length;
      await query(
        url,
        `INSERT INTO carelink.cleanup_lease (name, owner, holder, expires_at)
         VALUES ('cleanup', gen_random_uuid(), 'process 1 on elsewhere', now() + interval '1 hour')`,
      );
      const runner = await openClient(url);
      await runner.query('SELECT pg_advisory_lock(4846245131613457995)');
      await command('cleanup', ...inT2());
      expect([await old('t1'), await old('t2')]).toEqual([5, 0]);
      await command('migrate', '--max-wait', '0ms', '--database-url', `${url}?currentSchema=t2`);
      expect((await run(['migrate', '--max-wait', '0ms', ...inT1()], KEY)).code).toBe(5);
      await runner.end();
      await query(url, `UPDATE carelink.cleanup_lease SET expires_at = now() - interval '1 s'`);
      await command('cleanup', ...inT1());
      expect(await old('t1')).toBe(0);
    });

    it('what migrate made for one is taken away for one', async () => {
      await command('migrate', 'down', '--yes', '--drop-tables', '--database-url', `${url}?currentSchema=t2`);
      const triggers = await query<{ name: string }>(
        url,
        `SELECT DISTINCT tgname::text AS name FROM pg_trigger WHERE tgname LIKE 'carelink%' ORDER BY 1`,
      );
      expect(triggers.map(({ name }) => name).filter((name) => name.includes('t2'))).toEqual([]);
      expect(triggers.length).toBeGreaterThan(0);
      await command('migrate', 'status', ...inT1());
    });
  },
);
