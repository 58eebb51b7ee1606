import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFinalRows, startLoad } from '../support/fleet.js';
import { testDatabase } from '../support/database.js';
import { startBouncer, type Bouncer } from '../support/pgbouncer.js';
import {
  createSimplejwtTables,
  createUsers,
  openClient,
  query,
  startCluster,
  type Cluster,
} from '../support/postgres.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens, type MintedToken } from '../support/tokens.js';
import { checkHistory, describeViolation } from './history-checker.js';
import { migrate } from './migrate.js';

const POOL = 8;
const REQUEST_TIMEOUT_MS = 1_000;
/** More than a pool: who waits for a connection must get none either. */
const USERS = 20;
/** So few that pools without a bound take all of them within seconds. */
const MAX_CONNECTIONS = 50;
const LOOK_EVERY_MS = 100;

/** Each server has a role of its own, by which its backends are known. */
const ROLES = ['direct', 'pooled'] as const;
type Role = (typeof ROLES)[number];

interface Seen {
  /** The most of a role. */
  readonly backends: Record<Role, number>;
  readonly refused: string[];
  readonly ready: Record<Role, Set<string>>;
  /** Whose alert was raised. */
  readonly down: Set<Role>;
}

/** A synchronous standby that is gone: nobody has this name, so that no commit is acknowledged. */
async function loseStandby(cluster: Cluster): Promise<void> {
  await query(cluster.url, `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`);
  await query(cluster.url, 'SELECT pg_reload_conf()');
}

async function giveStandbyUp(cluster: Cluster): Promise<void> {
  await query(cluster.url, 'ALTER SYSTEM RESET synchronous_standby_names');
  await query(cluster.url, 'SELECT pg_reload_conf()');
}

export function describeStalledCommits(stalledMs: number): void {
  const ready = services().postgresBin !== undefined && services().pgbouncer !== undefined;
  describe.skipIf(!ready)('a synchronous standby that is gone', () => {
    let cluster: Cluster;
    let bouncer: Bouncer;
    let servers: Record<Role, TestServer>;
    let logins: Record<Role, readonly MintedToken[]>;
    /** As Django's: it may not have the connections that are reserved. */
    let django: string;

    beforeAll(async () => {
      cluster = await startCluster({ settings: { max_connections: String(MAX_CONNECTIONS) } });
      await createSimplejwtTables(cluster.url);
      await migrate(cluster.url);
      await query(cluster.url, `CREATE ROLE django LOGIN`);
      for (const role of ROLES) await query(cluster.url, `CREATE ROLE ${role} LOGIN SUPERUSER`);
      const as = (role: string) => cluster.url.replace('postgres@', `${role}@`);
      django = as('django');
      bouncer = await startBouncer(as('pooled'), { pool_mode: 'transaction', default_pool_size: '40' });
      const issue = async () => issueTokens(cluster.url, await createUsers(cluster.url, USERS));
      const start = (databaseUrl: string) =>
        startServer({
          databaseUrl,
          args: ['--pool-size', String(POOL), '--request-timeout', `${REQUEST_TIMEOUT_MS}ms`],
        });
      logins = { direct: await issue(), pooled: await issue() };
      const [direct, pooled] = await Promise.all([start(as('direct')), start(bouncer.url)]);
      servers = { direct, pooled };
    });
    afterAll(async () => {
      await giveStandbyUp(cluster);
      await Promise.all(ROLES.map((role) => servers[role].stop()));
      await bouncer.stop();
      await cluster.stop();
    });

    /** What there is to be seen from outside, as often as a person wouldn't. */
    const look = async (untilMs: number): Promise<Seen> => {
      const seen: Seen = {
        backends: { direct: 0, pooled: 0 },
        refused: [],
        ready: { direct: new Set(), pooled: new Set() },
        down: new Set(),
      };
      const observer = await openClient(cluster.url);
      while (Date.now() < untilMs) {
        const { rows } = await observer.query<{ role: Role; count: number }>(
          `SELECT usename AS role, count(*)::int AS count FROM pg_stat_activity
            WHERE usename IN ('direct', 'pooled') GROUP BY 1`,
        );
        for (const { role, count } of rows) seen.backends[role] = Math.max(seen.backends[role], count);
        await openClient(django).then(
          (client) => client.end(),
          (error: unknown) => seen.refused.push(String(error)),
        );
        for (const role of ROLES) {
          const { adminUrl } = servers[role];
          const answer = await fetch(`${adminUrl}/readyz`);
          const { checks } = (await answer.json()) as { checks: Record<string, string> };
          seen.ready[role].add(`${answer.status} ${checks['database']}`);
          const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
          if (/carelink_alert_active\{code="STORE_DOWN"\} 1/.test(metrics)) seen.down.add(role);
        }
        await sleep(LOOK_EVERY_MS);
      }
      await observer.end();
      return seen;
    };

    it.each(ROLES)('keeps no pool from ending: %s', async (role) => {
      await query(cluster.url, 'CREATE TABLE IF NOT EXISTS written (at timestamptz)');
      await loseStandby(cluster);
      try {
        const connection = role === 'direct' ? cluster.url : bouncer.url;
        const database = testDatabase(connection, { size: 2, statementTimeoutMs: 300 });
        const write = () =>
          database.query('claim', { text: 'INSERT INTO written VALUES (now())' }).then(
            () => 'written',
            () => 'given up',
          );
        // Sessions wait for the standby from when the checkpointer has read the new setting.
        await expect.poll(write, { timeout: 10_000 }).toBe('given up');
        const last = write();
        const ended = database.end().then(() => 'ended');
        expect(await last).toBe('given up');
        expect(await Promise.race([ended, sleep(5_000)])).toBe('ended');
      } finally {
        await giveStandbyUp(cluster);
      }
    });

    it(`for ${stalledMs / 1000} s: connections stay bounded, nobody is answered, others connect, and all is well after`, async () => {
      const loads = ROLES.map((role) =>
        startLoad({
          logins: logins[role],
          urls: () => [servers[role].url],
          twins: 0,
          pauseMs: 200,
          patienceMs: stalledMs + 60_000,
        }),
      );
      const attempts = () => loads.flatMap((load) => load.attempts);
      await expect.poll(() => Math.min(...loads.map((load) => load.attempts.length))).toBeGreaterThan(USERS);
      await loseStandby(cluster);
      // What was on its way then is answered or not.
      await sleep(500);
      const fromMs = Date.now();
      const untilMs = fromMs + stalledMs;
      // Somebody who means well ends the waits: PostgreSQL calls that a success, with a warning.
      const helpful = sleep(stalledMs / 3).then(() =>
        query(
          cluster.url,
          `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`,
        ),
      );
      const seen = await look(untilMs);
      await helpful;
      const answeredMeanwhile = attempts().filter(
        ({ status, sentAtMs, endedAtMs }) => status === 200 && sentAtMs > fromMs && endedAtMs < untilMs,
      );
      const healedAtMs = Date.now();
      await giveStandbyUp(cluster);
      const answeredSince = () =>
        new Set(
          attempts()
            .filter(({ status, sentAtMs }) => status === 200 && sentAtMs > healedAtMs)
            .map(({ family }) => family),
        ).size;
      await expect.poll(answeredSince, { timeout: 15_000 }).toBe(ROLES.length * USERS);
      const backMs = Date.now() - healedAtMs;
      await Promise.all(loads.map((load) => load.stop()));

      const ready = ROLES.map((role) => [...seen.ready[role]].join(', '));
      console.log(JSON.stringify({ stalledMs, backends: seen.backends, ready, backMs }));
      expect(seen.refused).toEqual([]);
      expect(Math.max(...Object.values(seen.backends))).toBeLessThanOrEqual(POOL + 2);
      expect(answeredMeanwhile).toEqual([]);
      for (const role of ROLES) {
        expect(seen.ready[role]).toContain('503 stalled');
        expect(seen.down).toContain(role);
        await expect
          .poll(async () => (await fetch(`${servers[role].adminUrl}/readyz`)).status, { timeout: 15_000 })
          .toBe(200);
      }
      const roots = new Map(
        ROLES.flatMap((role) => logins[role]).map(({ userId, jti }) => [String(userId), jti]),
      );
      const history = { roots, attempts: attempts(), rows: await readFinalRows(cluster.url) };
      expect(checkHistory(history).map(describeViolation)).toEqual([]);
    });
  });
}
