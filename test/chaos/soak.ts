import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fleet, readFinalRows, sendRefresh, startFleet } from '../support/fleet.js';
import { createSimplejwtTables, createUsers, freshDatabase } from '../support/postgres.js';
import { startRedis } from '../support/redis.js';
import { issueTokens } from '../support/tokens.js';
import type { Attempt, History } from './history.js';
import { migrate } from './migrate.js';

export interface SoakPlan {
  readonly users: number;
  readonly hours: number;
  /** What an hour is made of. */
  readonly hourMs: number;
  /** Refreshes a second, on average. */
  readonly meanRate: number;
  /** Whether it is long enough for KPIs and memory to mean something: the last answers are audited then. */
  readonly judged: boolean;
}

export interface SoakResult {
  readonly history: History;
  /** Resident memory of each server, in bytes, at the end of each hour. */
  readonly memory: readonly (readonly number[])[];
  readonly kpis: readonly { readonly id: string; readonly verdict: string; readonly value: number | null }[];
  readonly owed: number;
  readonly peakRate: number;
}

/** Shifts change at 6, 14 and 22: for a twelfth of an hour twenty times the mean comes. */
const SHIFT_CHANGES = new Set([6, 14, 22]);
const BURST = 20;
const BURST_SHARE = 1 / 12;

/** What is owed is written well before. */
const DRAIN_MS = 7_000;

/** Days of a ward in minutes: users that refresh, bursts at shift change, one server restarted at noon. */
export async function soak({ users, hours, hourMs, meanRate, judged }: SoakPlan): Promise<SoakResult> {
  const database = await freshDatabase();
  const redis = await startRedis();
  let fleet: Fleet | undefined;
  const agent = new Agent({ keepAlive: true, maxSockets: 128 });
  try {
    await createSimplejwtTables(database.url);
    await migrate(database.url, ['--notify']);
    const logins = await issueTokens(database.url, await createUsers(database.url, users));
    fleet = await startFleet(2, {
      databaseUrl: database.url,
      args: ['--blacklist', 'auto', '--redis-url', `redis://127.0.0.1:${redis.port}`, '--pool-size', '4'],
    });
    const { servers } = fleet;
    if (judged) await sleep(2_000);
    const attempts: Attempt[] = [];
    const memory: number[][] = [];
    const free = logins.map(({ userId, token }) => ({ family: String(userId), token }));
    const pending = new Set<Promise<void>>();
    let requests = 0;
    const refreshOne = async (): Promise<void> => {
      const user = free.shift();
      if (user === undefined) return;
      const { url } = servers[Math.floor(Math.random() * servers.length)]!;
      const attempt = await sendRefresh(url, user.family, user.token, requests++, agent);
      attempts.push(attempt);
      if (attempt.pair !== undefined) user.token = attempt.pair.refresh;
      // At its end, so that each user comes again as late as can be.
      free.push(user);
    };
    // The rate between bursts, so that the mean comes out as it should.
    const bursts = [...SHIFT_CHANGES].filter((hour) => hour < hours).length * BURST_SHARE;
    const calmRate = (meanRate * (hours - bursts * BURST)) / (hours - bursts);
    for (let hour = 0; hour < hours; hour++) {
      if (hour === Math.floor(hours / 2)) await restart(fleet, 0);
      const startedMs = performance.now();
      let sent = 0;
      for (;;) {
        const elapsedMs = performance.now() - startedMs;
        if (elapsedMs >= hourMs) break;
        const burstMs = SHIFT_CHANGES.has(hour) ? hourMs * BURST_SHARE : 0;
        const due =
          (meanRate * BURST * Math.min(elapsedMs, burstMs) + calmRate * Math.max(0, elapsedMs - burstMs)) /
          1000;
        for (; sent < due; sent++) {
          const request = refreshOne().finally(() => pending.delete(request));
          pending.add(request);
        }
        await sleep(5);
      }
      memory.push(servers.map(({ pid }) => residentBytes(pid)));
    }
    await Promise.all(pending);
    // The last answers are due to be audited after 5 s.
    if (judged) await sleep(7_000);
    const ask = () =>
      Promise.all(
        servers.map(async ({ adminUrl }) => (await fetch(`${adminUrl}/kpis`)).json() as Promise<KpisTold>),
      );
    const owed = (told: readonly KpisTold[]) => told.reduce((sum, { outbox }) => sum + outbox.depth, 0);
    let told = await ask();
    for (const giveUpMs = performance.now() + DRAIN_MS; owed(told) > 0 && performance.now() < giveUpMs;) {
      await sleep(50);
      told = await ask();
    }
    await fleet.stop();
    const roots = new Map(logins.map(({ userId, jti }) => [String(userId), jti]));
    return {
      history: { roots, attempts, rows: await readFinalRows(database.url) },
      memory,
      kpis: told.flatMap(({ kpis }) => kpis.filter(({ window }) => window === 'since_start')),
      owed: owed(told),
      peakRate: meanRate * BURST,
    };
  } finally {
    agent.destroy();
    await fleet?.stop().catch(() => undefined);
    await redis.stop();
    await database.drop();
  }
}

interface KpisTold {
  readonly kpis: {
    readonly id: string;
    readonly window: string;
    readonly verdict: string;
    readonly value: number | null;
  }[];
  readonly outbox: { readonly depth: number };
}

/** In order, as an update does it: what it owes is drained. */
async function restart(fleet: Fleet, index: number): Promise<void> {
  await fleet.replace(index, 'SIGTERM');
}

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes ?? NaN) * 1024;
}
