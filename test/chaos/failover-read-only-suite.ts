import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sendRefresh, startFleet, startLoad, type Fleet } from '../support/fleet.js';
import { createUsers, openClient, query } from '../support/postgres.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';
import { loggedOut } from './failover-judge.js';
import { IS_LONG } from './outages.js';
import { Replicated } from './replicated.js';

const { postgresBin, haproxy, redis: redisHere } = services();
const ready = postgresBin !== undefined && haproxy !== undefined && redisHere !== undefined;

const PATIENCE = { timeout: 20_000, interval: 50 };
const USERS = 10;
/** Nobody is left behind at the old one longer than that after the promotion. */
const BACK_WITHIN_MS = 5_000;

export function describeReadOnlyPrimary(): void {
  describe.skipIf(!ready)('a primary that is alive, takes no writes any more, and has a successor', () => {
    let pair: Replicated;
    let redis: RedisServer;
    let fleet: Fleet;
    /** Of the old primary. */
    let old: string;

    beforeAll(async () => {
      // HAProxy ends no sessions here: whoever has one at the old primary keeps it.
      [pair, redis] = await Promise.all([
        Replicated.start('asynchronous', { closesSessions: false, migrateArgs: ['--notify'] }),
        startRedis(),
      ]);
      old = pair.url;
      fleet = await startFleet(2, (n) => ({
      databaseUrl: n === 0 ? pair.urls.proxied : pair.urls.hosts,
      args: ['--redis-url', `redis://127.0.0.1:${redis.port}`, '--blacklist', 'auto', '--request-timeout', '2s'],
    })); // prettier-ignore
    });
    afterAll(async () => {
      await fleet.stop();
      await Promise.all([pair.stop(), redis.stop()]);
    });

    const left = async () => {
      const rows = await query<{ application_name: string }>(
        old,
        `SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'carelink%'`,
      );
      return rows.map(({ application_name: name }) => name);
    };
    const readiness = async (n: number) => {
      const answer = await fetch(`${fleet.servers[n]!.adminUrl}/readyz`);
      const { checks } = (await answer.json()) as { checks: Record<string, string> };
      return [answer.status, checks['database'], checks['changes']];
    };
    const hearing = async () => Promise.all([readiness(0), readiness(1)]);
    const ALL_WELL = [
      [200, 'ok', 'ok'],
      [200, 'ok', 'ok'],
    ];

    it('is left at once by claims, by what is idle, and by who listens', async () => {
      const logins = await issueTokens(pair.url, await createUsers(pair.url, 2 * USERS));
      const loads = [0, 1].map((n) =>
        startLoad({
          logins: logins.slice(n * USERS, (n + 1) * USERS),
          urls: () => [fleet.urls()[n]!],
          twins: 0,
          pauseMs: 100,
        }),
      );
      const attempts = () => loads.flatMap((load) => load.attempts);
      await expect.poll(() => attempts().length, PATIENCE).toBeGreaterThan(4 * USERS);
      await expect.poll(hearing, PATIENCE).toEqual(ALL_WELL);
      await fenceOff();
      await pair.promote();
      const promotedAtMs = Date.now();
      const back = () =>
        new Set(
          attempts()
            .filter(({ status, sentAtMs }) => status === 200 && sentAtMs > promotedAtMs)
            .map(({ family }) => family),
        ).size;
      const since = async (reached: Promise<unknown>): Promise<number> => {
        await reached;
        return Date.now() - promotedAtMs;
      };
      const [backMs, leftMs, heardMs] = await Promise.all([
        since(expect.poll(back, PATIENCE).toBe(2 * USERS)),
        since(expect.poll(left, PATIENCE).toEqual([])),
        since(expect.poll(hearing, PATIENCE).toEqual(ALL_WELL)),
      ]);
      await Promise.all(loads.map((load) => load.stop()));
      console.log(JSON.stringify({ backMs, leftMs, heardMs }));
      // On a machine that is busy the figures are the machine's.
      if (IS_LONG) expect(Math.max(backMs, leftMs, heardMs)).toBeLessThan(BACK_WITHIN_MS);
      expect(loggedOut(attempts())).toEqual([]);
    });

    it('and what Django logs out at its successor is heard', async () => {
      const [login] = await issueTokens(pair.url, await createUsers(pair.url, 1));
      const { pair: handed } = await sendRefresh(fleet.urls()[0]!, '', login!.token, 0);
      await query(
        pair.url,
        `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken WHERE token = $1`,
        [handed!.refresh],
      );
      const refused = async () => (await sendRefresh(fleet.urls()[1]!, '', handed!.refresh, 1)).status;
      expect(await refused()).toBe(401);
    });

    it('without any refresh /readyz finds the way by itself', async () => {
      const before = pair.url;
      await pair.replace();
      old = before;
      await fenceOff();
      await pair.promote();
      await expect.poll(hearing, PATIENCE).toEqual(ALL_WELL);
      await expect.poll(left, PATIENCE).toEqual([]);
    });

    async function fenceOff(): Promise<void> {
      const client = await openClient(old);
      await client.query('ALTER SYSTEM SET default_transaction_read_only = on');
      await client.query('SELECT pg_reload_conf()');
      await client.end();
      await expect
        .poll(() => query(old, `SELECT current_setting('default_transaction_read_only') AS it`), PATIENCE)
        .toEqual([{ it: 'on' }]);
    }
  });
}
