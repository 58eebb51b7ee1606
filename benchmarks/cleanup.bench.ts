/**
 * 1,000,000 expired rows of 1,200,000: this command at full speed, simplejwt's flushexpiredtokens, and a bare DELETE
 * in one transaction. Each on a copy of the same database.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fill } from '../test/integration/cleanup-support/world.js';
import { startDjango, type Django } from '../test/support/django.js';
import { type Cluster, query, startCluster } from '../test/support/postgres.js';
import { BIN, cleanEnvironment } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { migrateDatabase } from './support/migrate.js';

const EXPIRED = Number(process.env['BENCH_ROWS'] ?? 1_000_000);
const LIVE = EXPIRED / 5;

/** What must hold. */
const MIN_TIMES_SIMPLEJWT = 2;
const MIN_SHARE_OF_DELETE = 0.4;
const MAX_MEMORY_MB = 150;
const TARGET_BATCH_MS = 25;

const canRun = services().django && services().postgresBin !== undefined;

describe.skipIf(!canRun)('removing expired tokens', () => {
  let cluster: Cluster;
  let template: string;
  beforeAll(async () => {
    cluster = await startCluster({
      settings: { fsync: 'on', shared_buffers: '512MB', max_wal_size: '4GB', autovacuum: 'off' },
    });
    template = at('tokens');
    await query(cluster.url, 'CREATE DATABASE tokens');
    const django: Django = await startDjango({ database: template });
    await django.stop();
    await migrateDatabase(template);
    const sql = <Row extends object>(text: string, values?: unknown[]) => query<Row>(template, text, values);
    await fill(sql, { expired: EXPIRED, live: LIVE });
    await query(template, 'VACUUM ANALYZE');
  }, 300_000);
  afterAll(() => cluster.stop());

  function at(name: string): string {
    const url = new URL(cluster.url);
    url.pathname = `/${name}`;
    return url.href;
  }
  const copy = async (name: string): Promise<string> => {
    await query(cluster.url, `CREATE DATABASE ${name} TEMPLATE tokens`);
    await query(cluster.url, 'CHECKPOINT');
    return at(name);
  };
  const left = async (url: string) =>
    (
      await query<{ rows: number }>(url, 'SELECT count(*)::int AS rows FROM token_blacklist_outstandingtoken')
    )[0]!.rows;

  it(`${EXPIRED.toLocaleString('en-US')} of ${(EXPIRED + LIVE).toLocaleString('en-US')} rows`, async () => {
    const bare = await copy('bare');
    const deleteMs = await timed(() =>
      query(
        bare,
        `BEGIN;
         DELETE FROM token_blacklist_blacklistedtoken b USING token_blacklist_outstandingtoken o
          WHERE o.id = b.token_id AND o.expires_at <= now() - interval '7 days';
         DELETE FROM token_blacklist_outstandingtoken WHERE expires_at <= now() - interval '7 days';
         COMMIT`,
      ),
    );
    expect(await left(bare)).toBe(LIVE);
    await query(cluster.url, 'DROP DATABASE bare');

    const own = await copy('own');
    const ours = await run(own, '--nice', '0', '--target-batch-time', `${TARGET_BATCH_MS}ms`);
    const summary = ours.summary as {
      deleted: number;
      duration_ms: number;
      vacuum_ms: number;
      batches: number;
      batch_ms: { p50: number; p99: number; max: number };
    };
    expect(summary.deleted).toBe(EXPIRED);
    expect(await left(own)).toBe(LIVE);
    const again = await run(own);
    await query(cluster.url, 'DROP DATABASE own');

    const theirs = await copy('theirs');
    const flush = await flushExpired(theirs);
    // It goes by expires_at alone: all that has expired.
    expect(await left(theirs)).toBeLessThanOrEqual(LIVE);
    await query(cluster.url, 'DROP DATABASE theirs');

    const rate = (ms: number) => Math.round((EXPIRED * 1000) / ms);
    console.table({
      cleanup: { 'rows/s': rate(summary.duration_ms), 'memory MB': ours.peakMb },
      flushexpiredtokens: { 'rows/s': rate(flush.ms), 'memory MB': flush.peakMb },
      'bare DELETE': { 'rows/s': rate(deleteMs), 'memory MB': 0 },
    });
    const times = flush.ms / summary.duration_ms;
    const share = deleteMs / summary.duration_ms;
    console.log(
      JSON.stringify({
        timesSimplejwt: +times.toFixed(2),
        shareOfBareDelete: +share.toFixed(2),
        batches: summary.batches,
        batchMs: summary.batch_ms,
        vacuumMs: summary.vacuum_ms,
        secondRunMs: (again.summary as { duration_ms: number }).duration_ms,
      }),
    );
    expect(times).toBeGreaterThanOrEqual(MIN_TIMES_SIMPLEJWT);
    expect(share).toBeGreaterThanOrEqual(MIN_SHARE_OF_DELETE);
    expect(ours.peakMb).toBeLessThan(MAX_MEMORY_MB);
    expect(summary.batch_ms.p99).toBeLessThanOrEqual(3 * TARGET_BATCH_MS);
  });
});

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

async function run(url: string, ...args: string[]): Promise<{ summary: unknown; peakMb: number }> {
  const child = spawn(process.execPath, [BIN, 'cleanup', '--json', '--database-url', url, ...args], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (part) => (said += String(part)));
  const peak = watchMemory(child.pid!);
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(0);
  return { summary: JSON.parse(said.trimEnd().split('\n').at(-1)!), peakMb: peak() };
}

/** The highest resident memory that was seen, in MB. */
function watchMemory(pid: number): () => number {
  let peakMb = 0;
  const timer = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      peakMb = Math.max(peakMb, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
    } catch {
      // It has ended.
    }
  }, 50);
  return () => {
    clearInterval(timer);
    return Math.round(peakMb);
  };
}

/** Its own management command, in a process of its own. */
async function flushExpired(url: string): Promise<{ ms: number; peakMb: number }> {
  const database = new URL(url);
  const child = spawn('/usr/bin/python3', ['manage.py', 'flushexpiredtokens'], {
    cwd: new URL('../test/support/django', import.meta.url),
    env: {
      ...cleanEnvironment(),
      PYTHONPATH: new URL('../docs/django', import.meta.url).pathname,
      PYTHONDONTWRITEBYTECODE: '1',
      DJANGO_DB_HOST: database.hostname,
      DJANGO_DB_PORT: database.port,
      DJANGO_DB_NAME: database.pathname.slice(1),
      DJANGO_DB_USER: database.username,
      DJANGO_DB_PASSWORD: '',
      DJANGO_SIGNING_KEY: 'x'.repeat(64),
      DJANGO_ALGORITHM: 'HS256',
      DJANGO_USER_MODEL: 'auth',
      DJANGO_SERIALIZER: 'stock',
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const peak = watchMemory(child.pid!);
  const startedMs = performance.now();
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(0);
  return { ms: performance.now() - startedMs, peakMb: peak() };
}
