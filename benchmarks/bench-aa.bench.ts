/**
 * How often `bench` claims a difference where there is none: `--vs` between two servers of one build that were started
 * anew for each comparison, and the spread of runs of one build, each with a server of its own.
 *
 * BENCH_AA_VS: comparisons (40). BENCH_AA_RUNS: runs (25: 20 comparisons of one with the five before it).
 * BENCH_AA_DURATION: of each run (3s). BENCH_AA_MINUTES: no comparison begins after so many (14). BENCH_AA_OUT: a file that
 * every comparison and run is appended to, a line each.
 */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createSimplejwtTables, query, startCluster } from '../test/support/postgres.js';
import { startServer, type TestServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { runBenchCommand } from './support/bench-command.js';
import { migrateDatabase } from './support/migrate.js';

const VS = Number(process.env['BENCH_AA_VS'] ?? 40);
const RUNS = Number(process.env['BENCH_AA_RUNS'] ?? 25);
const DURATION = process.env['BENCH_AA_DURATION'] ?? '3s';
const BOUND_MS = Number(process.env['BENCH_AA_MINUTES'] ?? 14) * 60_000;
const OUT = process.env['BENCH_AA_OUT'];
const LOAD = ['--users', '30', '--duration', DURATION, '--warmup', '1s', '--duplicates', '0'];

/** Runs that one is compared with. */
const EARLIER = 5;

/** Rate, mean and p99 that are said to differ: of one build with itself, none does. */
const differencesOf = (report: { comparison?: { differences: readonly string[] } } | undefined): string => {
  if (report?.comparison === undefined) throw new Error('a run without a comparison');
  return report.comparison.differences.join();
};

function tell(kind: string, claims: readonly string[]): void {
  const wrong = claims.filter((claim) => claim !== '');
  console.log(JSON.stringify({ kind, comparisons: claims.length, wrong: wrong.length, claims: wrong }));
  // With 5 % by chance alone, so many come once in 60 times of 20 comparisons.
  expect(wrong.length).toBeLessThanOrEqual(Math.max(3, Math.ceil(claims.length / 10)));
}

const keep = (line: object) => {
  if (OUT !== undefined) appendFileSync(OUT, `${JSON.stringify(line)}\n`);
};

/** Processor time of a server, by its own count, a refresh: what two of one build differ by on a machine that is busy, too. */
async function cpuOfRefreshUs({ adminUrl }: TestServer): Promise<number> {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  const sum = (pattern: RegExp) =>
    [...metrics.matchAll(pattern)].reduce((all, [, value]) => all + Number(value), 0);
  const refreshes = sum(/^carelink_token_refresh_total\{[^}]*outcome="rotated"[^}]*\} (\S+)$/gm);
  return (sum(/^process_cpu_seconds_total (\S+)$/gm) / refreshes) * 1e6;
}

describe.skipIf(services().postgresBin === undefined)('A/A', () => {
  it('--vs', async () => {
    const cluster = await startCluster({ settings: { max_connections: '100' } });
    const startedMs = performance.now();
    const claims: string[] = [];
    try {
      const urls = await Promise.all(
        ['a', 'b'].map(async (name) => {
          await query(cluster.url, `CREATE DATABASE ${name}`);
          const url = cluster.url.replace(/postgres$/, name);
          await createSimplejwtTables(url, { users: false });
          await migrateDatabase(url);
          return url;
        }),
      );
      for (let n = 0; n < VS && performance.now() - startedMs < BOUND_MS; n++) {
        const start = (databaseUrl: string) => startServer({ databaseUrl, args: ['--user-check', 'off'] });
        const [a, b] = await Promise.all([start(urls[n % 2]!), start(urls[(n + 1) % 2]!)]);
        const { report } = await runBenchCommand([a.url, '--vs', b.url, '--seed', String(n), ...LOAD]);
        const cpuUs = [await cpuOfRefreshUs(a), await cpuOfRefreshUs(b)];
        await Promise.all([a.stop(), b.stop()]);
        claims.push(differencesOf(report));
        keep({ kind: 'vs', comparison: report?.comparison, machine: report?.generator, cpuUs });
      }
    } finally {
      await cluster.stop();
    }
    tell('--vs', claims);
  });

  it('--baseline', async () => {
    const startedMs = performance.now();
    const directory = mkdtempSync(join(tmpdir(), 'bench-aa-'));
    const file = join(directory, 'runs.json');
    const reports: string[] = [];
    const claims: string[] = [];
    try {
      for (let n = 0; n < RUNS && performance.now() - startedMs < BOUND_MS; n++) {
        writeFileSync(file, reports.slice(-EARLIER).join('\n'));
        const baseline = n < EARLIER ? [] : ['--baseline', file];
        const { report } = await runBenchCommand([...LOAD, ...baseline, '--seed', String(n)]);
        reports.push(JSON.stringify(report));
        keep({ kind: 'run', report });
        if (n >= EARLIER) claims.push(differencesOf(report));
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
    tell('--baseline', claims);
  });
});
