/**
 * What refreshes feel of 20 connections that log out with the first tokens of long families, or present them where
 * `--on-reuse revoke-family` is set: 1,000 refreshes a second with and without them, in turn. The server is started anew
 * for each block, so that it knows none of the families. Nothing may run on two seconds after they stop.
 *
 * Before that, what a walk costs by itself: the first of each family, and each that follows. `BENCH_OTHER`, the directory of
 * another checkout that is built, is measured beside this one, in turn.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plantFamily } from '../test/support/families.js';
import {
  createSimplejwtTables,
  createUsers,
  query,
  startCluster,
  type Cluster,
} from '../test/support/postgres.js';
import { startServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { issueTokens } from '../test/support/tokens.js';
import { median } from './support/load.js';
import { migrateDatabase } from './support/migrate.js';
import { feltBetween, startOpenLoad } from './support/open-load.js';
import { costOf, presentOnce, type Cost } from './support/walk-costs.js';

const RATE = Number(process.env['RATE'] ?? 1_000);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const BLOCK_SECONDS = Number(process.env['BENCH_SECONDS'] ?? 8);
const FAMILIES = Number(process.env['FAMILIES'] ?? 40);
const CONNECTIONS = 20;
/** Each of them is in flight once at most, also while nothing is answered for seconds. */
const USERS = 10_000;
const WARM_UP_MS = 3_000;
/** After it all families have been walked once. */
const COLD_MS = 3_000;
const OVER_MS = 2_000;

const OTHER = process.env['BENCH_OTHER'];
/** Families whose first walk is measured, and how often each is presented after that. */
const COSTED = 12;
const AGAIN = 50;

const REFRESH = '/account/token/refresh/';
const CASES = [
  { name: 'log-out, 2,000 generations', generations: 2_000, path: '/account/token/blacklist/' },
  { name: 'log-out, 16,000 generations', generations: 16_000, path: '/account/token/blacklist/' },
  { name: 'revoke-family, 2,000 generations', generations: 2_000, path: REFRESH },
  { name: 'revoke-family, 16,000 generations', generations: 16_000, path: REFRESH },
] as const;

interface Block {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly coldP99Ms: number;
  /** From a request read to its answer written: without what the generators take from one another and from the cores. */
  readonly serverP99Ms: number;
  readonly failed: number;
  readonly presented: Presented | undefined;
}

interface Presented {
  readonly statuses: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly stoppedAtMs: number;
}

describe.skipIf(services().postgresBin === undefined)(
  `${RATE} refreshes a second beside ${CONNECTIONS} connections that present first tokens`,
  () => {
    const chainKey = randomBytes(32);
    const first = new Map<number, string[]>();
    let cluster: Cluster;

    beforeAll(async () => {
      cluster = await startCluster({
        settings: {
          fsync: 'on',
          shared_buffers: '512MB',
          shared_preload_libraries: 'pg_stat_statements',
        },
      });
      await query(cluster.url, 'CREATE EXTENSION pg_stat_statements');
      await createSimplejwtTables(cluster.url);
      await migrateDatabase(cluster.url);
      for (const generations of new Set(CASES.map((one) => one.generations))) {
        const tokens: string[] = [];
        for (const userId of await createUsers(cluster.url, FAMILIES)) {
          const family = await plantFamily(cluster.url, { userId, generations, keyOf: () => chainKey });
          tokens.push(family.first.token);
        }
        first.set(generations, tokens);
      }
      await query(cluster.url, 'VACUUM ANALYZE');
    }, 600_000);
    afterAll(() => cluster.stop());

    const startOne = (bin?: string) =>
      startServer({
        databaseUrl: cluster.url,
        args: ['--blacklist', 'sync', '--on-reuse', 'revoke-family'],
        env: { CARELINK_CHAIN_KEY: chainKey.toString('hex') },
        ...(bin !== undefined && { bin }),
      });

    /** One after the other, on a server that knows none of the families; then again by all connections. */
    async function costs(one: (typeof CASES)[number], bin?: string): Promise<{ first: Cost; again: Cost }> {
      const server = await startOne(bin);
      const families = (first.get(one.generations) ?? []).slice(0, COSTED);
      const url = server.url + one.path;
      const walked = await costOf(cluster, server, () => presentOnce(url, families, 1));
      const all = Array.from({ length: AGAIN }, () => families).flat();
      const again = await costOf(cluster, server, () => presentOnce(url, all, CONNECTIONS));
      await server.stop();
      return { first: per(walked, families.length), again: per(again, all.length) };
    }

    it.each(CASES)('$name: what a walk costs', { timeout: 600_000 }, async (one) => {
      const sides = OTHER === undefined ? ['this'] : ['this', 'other'];
      const measured = new Map<string, Cost[]>();
      for (let round = 0; round < ROUNDS; round++) {
        for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
          const bin = side === 'other' ? join(OTHER!, 'bin/carelink-tokens.js') : undefined;
          const { first: walked, again } = await costs(one, bin);
          for (const [name, cost] of [
            [`first walk, ${side}`, walked],
            [`again, ${side}`, again],
          ] as const)
            measured.set(name, [...(measured.get(name) ?? []), cost]);
        }
      }
      console.log(one.name);
      console.table(
        Object.fromEntries(
          [...measured].sort().map(([name, rows]) => [
            name,
            {
              'server CPU ms': median(rows.map(({ serverMs }) => serverMs)).toFixed(2),
              'PostgreSQL CPU ms': median(rows.map(({ databaseMs }) => databaseMs)).toFixed(2),
              'executed ms': median(rows.map(({ executionMs }) => executionMs)).toFixed(2),
              statements: median(rows.map(({ statements }) => statements)).toFixed(2),
              'longest pause ms': median(rows.map(({ longestPauseMs }) => longestPauseMs)).toFixed(1),
            },
          ]),
        ),
      );
    });

    async function block(beside: (typeof CASES)[number] | undefined): Promise<Block> {
      const server = await startOne();
      const users = await createUsers(cluster.url, USERS);
      const tokens = (await issueTokens(cluster.url, users)).map(({ token }) => token);
      const load = startOpenLoad(server.url + REFRESH, tokens, RATE);
      await sleep(WARM_UP_MS);
      const fromMs = Date.now();
      const before = await durations(server.adminUrl);
      const presenting = beside && present(server.url + beside.path, first.get(beside.generations) ?? []);
      await sleep(BLOCK_SECONDS * 1_000);
      const toMs = Date.now();
      const after = await durations(server.adminUrl);
      const presented = await presenting?.stop();
      const samples = await load.stop();
      await sleep(Math.max(0, toMs + OVER_MS - Date.now()));
      const then = await revokeStatements(server.adminUrl);
      await sleep(1_000);
      expect(await revokeStatements(server.adminUrl)).toBe(then);
      await server.stop();
      const felt = feltBetween(samples, fromMs, toMs);
      const cold = feltBetween(samples, fromMs, fromMs + COLD_MS);
      return {
        p50Ms: felt.p50Ms,
        p99Ms: felt.p99Ms,
        coldP99Ms: cold.p99Ms,
        serverP99Ms: quantileMs(0.99, before, after),
        failed: felt.failed,
        presented,
      };
    }

    it.each(CASES)('$name', { timeout: 600_000 }, async (one) => {
      const alone: Block[] = [];
      const beside: Block[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        alone.push(await block(undefined));
        beside.push(await block(one));
      }
      const row = (blocks: readonly Block[]) => ({
        'p50 ms': median(blocks.map(({ p50Ms }) => p50Ms)).toFixed(1),
        'p99 ms': median(blocks.map(({ p99Ms }) => p99Ms)).toFixed(1),
        [`p99 ms, first ${COLD_MS / 1_000} s`]: median(blocks.map(({ coldP99Ms }) => coldP99Ms)).toFixed(1),
        'p99 ms, at the server': median(blocks.map(({ serverP99Ms }) => serverP99Ms)).toFixed(1),
        failed: blocks.reduce((sum, { failed }) => sum + failed, 0),
      });
      console.table({ alone: row(alone), [one.name]: row(beside) });
      console.log(
        beside
          .map(
            ({ presented }) =>
              `${JSON.stringify(presented?.statuses)} slowest ${presented?.slowestMs.toFixed(0)} ms`,
          )
          .join('\n'),
      );
      const ratio = median(beside.map(({ p99Ms }, round) => p99Ms / alone[round]!.p99Ms));
      console.log(`p99 with them / without, median of ${ROUNDS} rounds: ${ratio.toFixed(2)}`);
      expect(ratio).toBeLessThanOrEqual(2);
    });
  },
);

function per(cost: Cost, walks: number): Cost {
  return {
    ...cost,
    serverMs: cost.serverMs / walks,
    databaseMs: cost.databaseMs / walks,
    statements: cost.statements / walks,
    executionMs: cost.executionMs / walks,
  };
}

function present(url: string, tokens: readonly string[]): { stop(): Promise<Presented> } {
  const script = fileURLToPath(new URL('./support/present-load.mjs', import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (part) => (said += String(part)));
  child.stdin.write(`${JSON.stringify({ url, tokens, connections: CONNECTIONS })}\n`);
  return {
    async stop() {
      const closed = once(child, 'close');
      child.stdin.end();
      await closed;
      return JSON.parse(said) as Presented;
    },
  };
}

async function revokeStatements(adminUrl: string): Promise<number> {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  return Number(/^carelink_db_statements_total\{purpose="revoke"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
}

/** Rotated refreshes so far that took at most so many seconds. */
async function durations(adminUrl: string): Promise<ReadonlyMap<number, number>> {
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  const buckets = metrics.matchAll(
    /^carelink_token_refresh_duration_seconds_bucket\{le="([\d.]+)",outcome="rotated"\} (\d+)/gm,
  );
  return new Map([...buckets].map(([, le, count]) => [Number(le), Number(count)]));
}

/** Of what came between two readings, within a bucket in proportion. */
function quantileMs(
  q: number,
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
): number {
  const counts = [...after].map(([le, count]) => ({ le, count: count - (before.get(le) ?? 0) }));
  const wanted = q * (counts.at(-1)?.count ?? 0);
  let below = { le: 0, count: 0 };
  for (const bucket of counts) {
    if (bucket.count >= wanted) {
      const part = (wanted - below.count) / Math.max(1, bucket.count - below.count);
      return 1_000 * (below.le + part * (bucket.le - below.le));
    }
    below = bucket;
  }
  return Infinity;
}
