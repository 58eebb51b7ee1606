/**
 * The database 0.3, 5, 10 and 20 ms away: cleanup and revoke with batches that are steered, and with batches of 1,000. Each
 * at the same rest, so that what they take of the database is the same share; and what refreshes feel of each, through a
 * server beside the database. And what the dry run had said.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fill } from '../test/integration/cleanup-support/world.js';
import { startDelayProxy } from '../test/support/delay-proxy.js';
import { createSimplejwtTables, query, startCluster, type Cluster } from '../test/support/postgres.js';
import { BIN, cleanEnvironment, startServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { issueTokens, TEST_SIGNING_KEY } from '../test/support/tokens.js';
import { migrateDatabase } from './support/migrate.js';
import { feltBetween, startOpenLoad } from './support/open-load.js';

const EXPIRED = Number(process.env['BENCH_ROWS'] ?? 120_000);
const LIVE = 20_000;
/** Refreshes a second meanwhile, of so many users. */
const RATE = Number(process.env['BENCH_RATE'] ?? 300);
const USERS = 1_000;
const WARM_UP_MS = 2_000;
const TRIPS_MS = [0.3, 5, 10, 20];
const MIN_SHARE = 0.5;
/** Of p99s of some seconds each: nearer to one another they can't be told apart. */
const MOST_OF_FIXED = 1.5;
const MOST_MORE_MS = 3;

describe.skipIf(services().postgresBin === undefined)('a database that is far away', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({ settings: { fsync: 'on', max_wal_size: '4GB', autovacuum: 'off' } });
    await query(cluster.url, 'CREATE DATABASE tokens');
    const template = at('tokens');
    await createSimplejwtTables(template, { users: false });
    await migrateDatabase(template);
    const sql = <Row extends object>(text: string, values?: unknown[]) => query<Row>(template, text, values);
    await fill(sql, { expired: EXPIRED, live: LIVE });
    // Of somebody, so that they can be revoked; none of them is blacklisted yet.
    await query(template, 'UPDATE token_blacklist_outstandingtoken SET user_id = 1 WHERE expires_at > now()');
    await query(
      template,
      `DELETE FROM token_blacklist_blacklistedtoken b USING token_blacklist_outstandingtoken o
        WHERE o.id = b.token_id AND o.expires_at > now()`,
    );
    await query(template, 'VACUUM ANALYZE');
  }, 300_000);
  afterAll(() => cluster.stop());

  function at(name: string, port?: number): string {
    const url = new URL(cluster.url);
    url.pathname = `/${name}`;
    if (port !== undefined) url.port = String(port);
    return url.href;
  }

  /** Work on a copy of the tables, beside refreshes of tokens that are younger than `moment`. */
  async function onCopy<T extends object>(
    tripMs: number,
    work: (url: string, moment: string) => Promise<T>,
  ): Promise<T & { readonly p99Ms: number }> {
    await query(cluster.url, 'CREATE DATABASE copy TEMPLATE tokens');
    await query(cluster.url, 'CHECKPOINT');
    const proxy = await startDelayProxy(cluster.port, tripMs);
    const server = await startServer({ databaseUrl: at('copy'), args: ['--user-check', 'off'] });
    try {
      const moment = new Date().toISOString();
      // A token's time is in whole seconds.
      await sleep(1_100);
      const users = Array.from({ length: USERS }, (_, n) => n + 1);
      const tokens = (await issueTokens(at('copy'), users)).map(({ token }) => token);
      const load = startOpenLoad(`${server.url}/account/token/refresh/`, tokens, RATE);
      await sleep(WARM_UP_MS);
      const fromMs = Date.now();
      const done = await work(at('copy', proxy.port), moment);
      const toMs = Date.now();
      const felt = feltBetween(await load.stop(), fromMs, toMs);
      expect(felt.failed).toBe(0);
      return { ...done, p99Ms: felt.p99Ms };
    } finally {
      await server.stop();
      proxy.stop();
      await query(cluster.url, 'DROP DATABASE copy WITH (FORCE)');
    }
  }

  it.each(TRIPS_MS)('%s ms', async (tripMs) => {
    const cleanup = (size: string) =>
      onCopy(tripMs, async (url) => {
        const flags = ['--vacuum', 'off', '--batch-size', size];
        const summary = last(await run('cleanup', url, ...flags)) as Summary;
        expect(summary.deleted).toBe(EXPIRED);
        return { perSecond: (EXPIRED * 1_000) / summary.duration_ms, tookMs: summary.duration_ms };
      });
    const revoke = (size: string) =>
      onCopy(tripMs, async (url, moment) => {
        const startedMs = performance.now();
        await run('revoke', url, '--issued-before', moment, '--yes', '--batch-size', size);
        return { perSecond: (LIVE * 1_000) / (performance.now() - startedMs) };
      });
    const { told } = await onCopy(tripMs, async (url) => ({
      told: JSON.parse(await run('cleanup', url, '--vacuum', 'off', '--dry-run')) as Dry,
    }));
    const [least, most] = told.estimated_range_ms;
    const [steered, fixed] = [await cleanup('auto'), await cleanup('1000')];
    const [revoked, revokedFixed] = [await revoke('auto'), await revoke('1000')];
    const shown = (ms: number): number => +ms.toFixed(1);
    console.log(
      JSON.stringify({
        tripMs,
        cleanup: Math.round(steered.perSecond),
        ofFixed: +(steered.perSecond / fixed.perSecond).toFixed(2),
        p99Ms: [shown(steered.p99Ms), shown(fixed.p99Ms)],
        revoke: Math.round(revoked.perSecond),
        revokeOfFixed: +(revoked.perSecond / revokedFixed.perSecond).toFixed(2),
        revokeP99Ms: [shown(revoked.p99Ms), shown(revokedFixed.p99Ms)],
        foretoldMs: [least, most],
        tookMs: steered.tookMs,
      }),
    );
    for (const [one, other] of [
      [steered, fixed],
      [revoked, revokedFixed],
    ] as const) {
      expect(one.perSecond / other.perSecond).toBeGreaterThan(MIN_SHARE);
      expect(one.p99Ms).toBeLessThan(Math.max(other.p99Ms * MOST_OF_FIXED, other.p99Ms + MOST_MORE_MS));
    }
    expect(steered.tookMs).toBeGreaterThan(least / 2);
    expect(steered.tookMs).toBeLessThan(most * 2);
  });
});

interface Dry {
  readonly estimated_range_ms: readonly [number, number];
}

interface Summary {
  readonly deleted: number;
  readonly duration_ms: number;
}

async function run(command: string, url: string, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, [BIN, command, '--json', ...args], {
    env: cleanEnvironment({ DATABASE_URL: url, CARELINK_SIGNING_KEY: TEST_SIGNING_KEY }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.on('data', (part) => (stdout += String(part)));
  expect(await once(child, 'close')).toEqual([0, null]);
  return stdout;
}

function last(lines: string): unknown {
  return JSON.parse(lines.trim().split('\n').at(-1)!);
}
