import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { createSimplejwtTables, createUsers, openClient, query, startCluster } from '../support/postgres.js';
import { childrenOf } from '../support/processes.js';
import { startRedis } from '../support/redis.js';
import type { ServerOptions } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens, mintRefresh } from '../support/tokens.js';
import { startWitness, type Witness } from '../support/witness.js';

const { postgresBin, chromium, redis: anyRedis } = services();
const ready = postgresBin !== undefined && chromium !== undefined && anyRedis !== undefined;

/** Of each user of the load, between two refreshes. */
const PAUSE_MS = 5;
/** So many a second that the outbox grows for minutes and isn't full before. */
const SLOW_PAUSE_MS = 400;
const USERS = 30;
/** An instance claims in Redis what was made a second after its start. */
const TRUST_MS = 1_500;
/** Over the million that the alert is about, as far as PostgreSQL's estimate may be wrong. */
const EXPIRED_ROWS = 1_300_000;

/** The others, provoked for real as well, are in browser/dashboard.test.ts and workers-alerts.test.ts. */
describe.skipIf(!ready)('alerts that take their time, provoked for real', () => {
  it('slow commits, a KPI that is missed, a cleanup that fails', async () => {
    const url = await freshCluster();
    await query(url, 'DROP TABLE carelink.cleanup_lease');
    // Every commit waits for a tenth of a second, as on a disk that is at its end.
    await configure(url, `commit_siblings = 0`, `commit_delay = 100000`);
    const witness = await start(url, '--cleanup-every', '1m');
    const load = await startLoad(url, witness, PAUSE_MS);
    await witness.raised('CLEANUP_FAILED', 'SLOW_COMMITS', 'KPI_MISSED');
    await configure(url, `commit_delay = 0`);
    await witness.cleared('SLOW_COMMITS', 'KPI_MISSED');
    await load.stop();
  });

  it('writing behind that is late, and an outbox that grows', async () => {
    // No change feed: whoever hears nothing for a second, on a busy machine, claims in the database from then on.
    const url = await freshCluster();
    const redis = await startRedis();
    onTestFinished(() => redis.stop());
    const redisUrl = `redis://127.0.0.1:${redis.port}`;
    const witness = await start(url, '--redis-url', redisUrl, '--blacklist', 'async');
    await sleep(TRUST_MS);
    const load = await startLoad(url, witness, SLOW_PAUSE_MS);
    await writtenBehind(witness);
    // Somebody holds the table, and refreshes go on: look-ups pass this lock, and writes do not.
    const holder = await openClient(url);
    onTestFinished(() => holder.end());
    await holder.query('BEGIN; LOCK TABLE token_blacklist_blacklistedtoken IN EXCLUSIVE MODE');
    await witness.raised('BACKGROUND_LAG', 'OUTBOX_GROWTH');
    await holder.query('COMMIT');
    await witness.cleared('BACKGROUND_LAG', 'OUTBOX_GROWTH');
    await load.stop();
  });

  it.skipIf(process.platform !== 'linux')('a worker that died, and was started again', async () => {
    const witness = await start(await freshCluster(), '--workers', '2');
    process.kill(childrenOf(witness.server.pid)[0]!, 'SIGKILL');
    await witness.raised('WORKER_DIED');
    await witness.cleared('WORKER_DIED');
    // Neither is told again while it is the same death.
    const told = witness.posted.filter(({ code }) => code === 'WORKER_DIED').map(({ event }) => event);
    expect(told).toEqual(['raised', 'cleared']);
  });

  it('statements that wait for a connection', async () => {
    const url = await freshCluster();
    const witness = await start(url, '--pool-size', '2');
    const load = await startLoad(url, witness, PAUSE_MS);
    const holder = await openClient(url);
    onTestFinished(() => holder.end());
    await holder.query('BEGIN; LOCK TABLE auth_user IN ACCESS EXCLUSIVE MODE');
    await witness.raised('POOL_SATURATED');
    await holder.query('COMMIT');
    await witness.cleared('POOL_SATURATED');
    await load.stop();
  });

  it('a clock that differs', async () => {
    const url = await freshCluster();
    // The database's clock, three seconds behind: whoever asks for the time by its plain name gets that.
    await query(
      url,
      `CREATE SCHEMA skewed;
       CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
         AS $$ SELECT pg_catalog.clock_timestamp() - interval '3 seconds' $$;
       ALTER DATABASE postgres SET search_path = skewed, pg_catalog, public`,
    );
    const witness = await start(url);
    await witness.raised('CLOCK_SKEW');
    await query(
      url,
      `CREATE OR REPLACE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
         AS $$ SELECT pg_catalog.clock_timestamp() $$`,
    );
    await witness.cleared('CLOCK_SKEW');
  });

  it('expired rows that pile up', async () => {
    const url = await freshCluster();
    await query(
      url,
      `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, jti)
       SELECT $1, to_timestamp($2), to_timestamp($2) + interval '12 hours', md5(n::text)
         FROM generate_series(1, $3::int) AS n`,
      [...expired(), EXPIRED_ROWS],
    );
    await query(url, 'VACUUM ANALYZE token_blacklist_outstandingtoken');
    const witness = await start(url, '--cleanup-every', '1m');
    await witness.raised('CLEANUP_BACKLOG');
    // It is at work, and tells how far it is.
    await witness.cleared('CLEANUP_BACKLOG');
  });
});

async function freshCluster(): Promise<string> {
  const cluster = await startCluster({ settings: { fsync: 'on' } });
  onTestFinished(() => cluster.stop());
  await createSimplejwtTables(cluster.url);
  await applyMigrations(cluster.url, { createTables: false });
  return cluster.url;
}

async function start(databaseUrl: string, ...args: string[]): Promise<Witness> {
  const options: ServerOptions = { databaseUrl, args };
  const witness = await startWitness(options);
  onTestFinished(() => witness.stop());
  return witness;
}

async function configure(url: string, ...settings: string[]): Promise<void> {
  for (const setting of settings) await query(url, `ALTER SYSTEM SET ${setting}`);
  await query(url, 'SELECT pg_reload_conf()');
}

/** Waits until each user's token is one that is claimed in Redis. */
async function writtenBehind({ server }: Witness): Promise<void> {
  let written = 0;
  while (written < 3 * USERS) {
    const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
    written = Number(/^carelink_background_writes_total\{result="written"\} (\d+)$/m.exec(metrics)?.[1]);
    await sleep(250);
  }
}

/** A token that ran out a month ago, and when it was issued. */
function expired(): [token: string, iatSeconds: number] {
  const iatSeconds = Math.floor(Date.now() / 1000) - 30 * 86_400;
  return [mintRefresh({ iatSeconds, lifetimeSeconds: 43_200 }).token, iatSeconds];
}

/** Users that refresh all the time, each on with what it was handed; what is refused is sent again. */
async function startLoad(databaseUrl: string, { server }: Witness, pauseMs: number) {
  let stopped = false;
  const users = await createUsers(databaseUrl, USERS);
  const tokens = await issueTokens(databaseUrl, users, { iatSeconds: Math.floor(Date.now() / 1000) - 1 });
  const loaded = Promise.all(
    tokens.map(async ({ token }) => {
      let next = token;
      while (!stopped) {
        const response = await fetch(`${server.url}/account/token/refresh/`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ refresh: next }),
        });
        const body = (await response.json()) as { refresh?: string };
        if (response.status === 200) next = body.refresh!;
        await sleep(pauseMs);
      }
    }),
  );
  // Its failure is that of the test; without this it would be one that nobody handles as well.
  loaded.catch(() => undefined);
  return {
    async stop() {
      stopped = true;
      await loaded;
    },
  };
}
