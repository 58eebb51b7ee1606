import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Browser, type CDPSession, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { createUsers, type FreshDatabase } from '../support/postgres.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';

/** The page's heap may grow by this while it fills its ten minutes of points, and with the engine's own caches. */
const MAX_GROWTH_BYTES = 1_500_000;

/** Of each of eight sessions: a hundred a second. */
const REFRESH_EVERY_MS = 80;

/** Of one core, for a page that is open. */
const MAX_CPU_SHARE = 0.01;

const ready = services().chromium !== undefined && services().postgres !== undefined;

/** A page that stays open under load: what it costs itself, and what it costs the server. */
export function soak(minutes: number, rounds: number): void {
  describe.skipIf(!ready)(`the dashboard, open for ${minutes} minutes under load`, () => {
    let database: FreshDatabase;
    let server: TestServer;
    let browser: Browser;
    beforeAll(async () => {
      database = await migratedDatabase();
      server = await startServer({ databaseUrl: database.url });
      browser = await chromium.launch({
        executablePath: services().chromium!,
        args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
      });
    });
    afterAll(async () => {
      await browser.close();
      await server.stop();
      await database.drop();
    });

    it('its memory is flat', async () => {
      const load = startLoad(database.url, server.url);
      const page = await open();
      const session = await page.context().newCDPSession(page);
      const heap: number[] = [];
      const points = Math.max(4, Math.round(minutes * 4));
      for (let n = 0; n < points; n++) {
        await sleep((minutes * 60_000) / points);
        heap.push(await heapOf(session));
      }
      const dom = await page.evaluate('document.querySelectorAll("*").length');
      const refreshes = await load.stop();
      await page.close();
      const mb = heap.map((bytes) => Math.round(bytes / 1e4) / 100);
      console.log(JSON.stringify({ minutes, refreshes, heapMb: mb, elements: dom }));
      // What is there after a quarter of the time, and at the end.
      expect(heap.at(-1)! - heap[Math.floor(points / 4)]!).toBeLessThan(MAX_GROWTH_BYTES);
      expect(refreshes).toBeGreaterThan(0);
    });

    it.each(['at rest', 'under load'])('costs the server less than 1 % of a core, %s', async (how) => {
      const load = how === 'under load' ? startLoad(database.url, server.url) : undefined;
      // Turn and turn about, and the load is the same in each: what differs is the page.
      const [without, beside]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        without.push(await cpuShare());
        const page = await open();
        await sleep(2_000);
        beside.push(await cpuShare());
        await page.close();
        await sleep(1_000);
      }
      const refreshes = await load?.stop();
      const cost = median(beside.map((share, round) => share - without[round]!));
      const shares = { without: without.map(round4), beside: beside.map(round4), cost: round4(cost) };
      console.log(JSON.stringify({ how, refreshes, ...shares }));
      expect(cost).toBeLessThan(MAX_CPU_SHARE);
    });

    async function open(): Promise<Page> {
      const page = await browser.newPage();
      await page.goto(`${server.adminUrl}/dashboard`);
      await expect.poll(() => page.locator('#state').textContent(), { timeout: 30_000 }).toBe('live');
      return page;
    }

    async function cpuShare(): Promise<number> {
      const MEASURED_MS = 8_000;
      const before = await cpuSeconds(server.adminUrl);
      await sleep(MEASURED_MS);
      return ((await cpuSeconds(server.adminUrl)) - before) / (MEASURED_MS / 1000);
    }
  });
}

async function cpuSeconds(adminUrl: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)![1]);
}

/** Live bytes: garbage is collected first. */
async function heapOf(session: CDPSession): Promise<number> {
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  return usedSize;
}

/** Sessions that refresh at a fixed pace: as much in each second, whatever else goes on. */
function startLoad(databaseUrl: string, url: string) {
  let stopped = false;
  const done = (async () => {
    const users = await createUsers(databaseUrl, 8);
    const tokens = await issueTokens(databaseUrl, users, { iatSeconds: Math.floor(Date.now() / 1000) - 1 });
    const counts = await Promise.all(
      tokens.map(async ({ token }) => {
        let [next, count] = [token, 0];
        const beganMs = performance.now();
        while (!stopped) {
          const response = await fetch(`${url}/account/token/refresh/`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ refresh: next }),
          });
          if (response.status !== 200) throw new Error(`refresh answered ${response.status}`);
          next = ((await response.json()) as { refresh: string }).refresh;
          count += 1;
          await sleep(Math.max(0, beganMs + count * REFRESH_EVERY_MS - performance.now()));
        }
        return count;
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  })();
  return {
    stop: () => {
      stopped = true;
      return done;
    },
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function round4(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
