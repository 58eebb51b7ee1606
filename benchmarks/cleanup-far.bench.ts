/**
 * The database 0.3, 5, 10 and 20 ms away: cleanup and revoke with batches that are steered, and with batches of 1,000. Each
 * at the same rest, so that what they take of the database is the same share. And what the dry run had said.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fill } from '../test/integration/cleanup-support/world.js';
import { startDelayProxy } from '../test/support/delay-proxy.js';
import { createSimplejwtTables, query, startCluster, type Cluster } from '../test/support/postgres.js';
import { BIN, cleanEnvironment } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { migrateDatabase } from './support/migrate.js';

const EXPIRED = Number(process.env['BENCH_ROWS'] ?? 60_000);
const LIVE = 10_000;
const TRIPS_MS = [0.3, 5, 10, 20];
const MIN_SHARE = 0.5;

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

  async function onCopy<T>(tripMs: number, work: (url: string) => Promise<T>): Promise<T> {
    await query(cluster.url, 'CREATE DATABASE copy TEMPLATE tokens');
    await query(cluster.url, 'CHECKPOINT');
    const proxy = await startDelayProxy(cluster.port, tripMs);
    try {
      return await work(at('copy', proxy.port));
    } finally {
      proxy.stop();
      await query(cluster.url, 'DROP DATABASE copy WITH (FORCE)');
    }
  }

  it.each(TRIPS_MS)('%s ms', async (tripMs) => {
    const cleanup = (size: string) =>
      onCopy(tripMs, async (url) => {
        const flags = ['--vacuum', 'off', '--batch-size', size];
        const dry = JSON.parse(await run('cleanup', url, ...flags, '--dry-run')) as Dry;
        const summary = last(await run('cleanup', url, ...flags)) as Summary;
        expect(summary.deleted).toBe(EXPIRED);
        return { perSecond: (EXPIRED * 1_000) / summary.duration_ms, tookMs: summary.duration_ms, dry };
      });
    const revoke = (size: string) =>
      onCopy(tripMs, async (url) => {
        const startedMs = performance.now();
        await run('revoke', url, '--issued-before', new Date().toISOString(), '--yes', '--batch-size', size);
        return (LIVE * 1_000) / (performance.now() - startedMs);
      });
    const [steered, fixed] = [await cleanup('auto'), await cleanup('1000')];
    const [revoked, revokedFixed] = [await revoke('auto'), await revoke('1000')];
    const [least, most] = steered.dry.estimated_range_ms;
    console.log(
      JSON.stringify({
        tripMs,
        cleanup: Math.round(steered.perSecond),
        ofFixed: +(steered.perSecond / fixed.perSecond).toFixed(2),
        revoke: Math.round(revoked),
        revokeOfFixed: +(revoked / revokedFixed).toFixed(2),
        foretoldMs: [least, most],
        tookMs: steered.tookMs,
      }),
    );
    expect(steered.perSecond / fixed.perSecond).toBeGreaterThan(MIN_SHARE);
    expect(revoked / revokedFixed).toBeGreaterThan(MIN_SHARE);
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
    env: cleanEnvironment({ DATABASE_URL: url, CARELINK_SIGNING_KEY: 'k'.repeat(32) }),
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
