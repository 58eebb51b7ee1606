import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFinalRows, startLoad } from '../support/fleet.js';
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
const USERS = 40;
/** So few that the pool before would have taken all of them within seconds. */
const MAX_CONNECTIONS = 40;
const LOOK_EVERY_MS = 100;

interface Seen {
  backends: number;
  inDoubt: number;
  refused: string[];
  readonly ready: Set<string>;
  down: boolean;
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
  describe.skipIf(services().postgresBin === undefined)('a synchronous standby that is gone', () => {
    let cluster: Cluster;
    let server: TestServer;
    let logins: readonly MintedToken[];
    /** As Django's: it may not have the connections that are reserved. */
    let django: string;

    beforeAll(async () => {
      cluster = await startCluster({ settings: { max_connections: String(MAX_CONNECTIONS) } });
      await createSimplejwtTables(cluster.url);
      await migrate(cluster.url);
      await query(cluster.url, 'CREATE ROLE django LOGIN; GRANT SELECT ON auth_user TO django');
      django = cluster.url.replace('postgres@', 'django@');
      logins = await issueTokens(cluster.url, await createUsers(cluster.url, USERS));
      server = await startServer({
        databaseUrl: cluster.url,
        args: ['--pool-size', String(POOL), '--request-timeout', `${REQUEST_TIMEOUT_MS}ms`],
      });
    });
    afterAll(async () => {
      await giveStandbyUp(cluster);
      await server.stop();
      await cluster.stop();
    });

    /** What there is to be seen from outside, as often as a person wouldn't. */
    const look = async (untilMs: number): Promise<Seen> => {
      const seen: Seen = { backends: 0, inDoubt: 0, refused: [], ready: new Set(), down: false };
      const observer = await openClient(cluster.url);
      while (Date.now() < untilMs) {
        const { rows } = await observer.query<{ ours: number }>(
          `SELECT count(*)::int AS ours FROM pg_stat_activity WHERE application_name LIKE 'carelink-tokens%'`,
        );
        seen.backends = Math.max(seen.backends, rows[0]!.ours);
        await openClient(django).then(
          (client) => client.end(),
          (error: unknown) => seen.refused.push(String(error)),
        );
        const answer = await fetch(`${server.adminUrl}/readyz`);
        const { checks } = (await answer.json()) as { checks: Record<string, string> };
        seen.ready.add(`${answer.status} ${checks['database']}`);
        const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
        seen.down ||= /carelink_alert_active\{code="STORE_DOWN"\} 1/.test(metrics);
        const inDoubt = /^carelink_db_backends_in_doubt (\d+)/m.exec(metrics)?.[1];
        seen.inDoubt = Math.max(seen.inDoubt, Number(inDoubt));
        await sleep(LOOK_EVERY_MS);
      }
      await observer.end();
      return seen;
    };

    it(`for ${stalledMs / 1000} s: connections stay bounded, nobody is answered, others connect, and all is well after`, async () => {
      const load = startLoad({
        logins,
        urls: () => [server.url],
        twins: 0,
        pauseMs: 100,
        patienceMs: stalledMs + 60_000,
      });
      await expect.poll(() => load.attempts.length).toBeGreaterThan(USERS);
      await loseStandby(cluster);
      // What was on its way then is answered or not.
      await sleep(200);
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
      const answeredMeanwhile = load.attempts.filter(
        ({ status, sentAtMs, endedAtMs }) => status === 200 && sentAtMs > fromMs && endedAtMs < untilMs,
      );
      const healedAtMs = Date.now();
      await giveStandbyUp(cluster);
      const answeredSince = () =>
        new Set(
          load.attempts
            .filter(({ status, sentAtMs }) => status === 200 && sentAtMs > healedAtMs)
            .map(({ family }) => family),
        ).size;
      await expect.poll(answeredSince, { timeout: 15_000 }).toBe(USERS);
      const backMs = Date.now() - healedAtMs;
      await load.stop();

      console.log(JSON.stringify({ stalledMs, ...seen, ready: [...seen.ready], backMs }));
      expect(seen.refused).toEqual([]);
      expect(seen.backends).toBeLessThanOrEqual(POOL + 2);
      expect(answeredMeanwhile).toEqual([]);
      expect(seen.ready).toContain('503 stalled');
      expect(seen.down).toBe(true);
      await expect
        .poll(async () => (await fetch(`${server.adminUrl}/readyz`)).status, { timeout: 15_000 })
        .toBe(200);
      const roots = new Map(logins.map(({ userId, jti }) => [String(userId), jti]));
      const history = { roots, attempts: load.attempts, rows: await readFinalRows(cluster.url) };
      expect(checkHistory(history).map(describeViolation)).toEqual([]);
    });
  });
}
