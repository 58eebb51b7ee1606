import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pairOf, refresh } from '../interop/api.js';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';

const { chromium: binary, postgres } = services();

/** Enough for KPIs to be measured. */
const REFRESHES = 150;

describe.skipIf(binary === undefined || postgres === undefined)('the dashboard, by the policy', () => {
  const world = rotationWorld();
  let browser: Browser;

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: binary!, args: ['--no-sandbox'] });
  });
  afterAll(() => browser.close());

  it.each([
    { policy: 'off', unmeasured: ['concurrent_refresh', 'cache_hit', 'background'] },
    { policy: 'keep', unmeasured: ['concurrent_refresh', 'cache_hit', 'background'] },
    { policy: 'offered', unmeasured: [] },
  ])('$policy: what there is to measure is shown, the rest is unmeasured', async ({ policy, unmeasured }) => {
    const server = await startServer({ databaseUrl: world.url, args: ['--rotation', policy] });
    try {
      let { token } = await world.login();
      for (let n = 0; n < REFRESHES; n++) {
        const answer = await fetch(`${server.url}/account/token/refresh/`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-carelink-rotation': 'accepted' },
          body: JSON.stringify({ refresh: token }),
        });
        expect(answer.status).toBe(200);
        const { refresh: next } = (await answer.json()) as { refresh?: string };
        token = next ?? token;
      }
      // One that doesn't ask for it, for the metric of both.
      pairOf(await refresh(server.url, (await world.login()).token));
      const page = await browser.newPage();
      await page.goto(`${server.adminUrl}/dashboard`);
      await page.getByText('since start', { exact: true }).click();
      const verdicts = async () =>
        Object.fromEntries(
          await Promise.all(
            ['refresh_duration', 'db_queries', 'concurrent_refresh', 'cache_hit', 'background'].map(
              async (id) => [id, await page.locator(`[data-kpi=${id}] .verdict`).textContent()] as const,
            ),
          ),
        );
      const isMeasured = expect.stringMatching(/^(holds|missed)$/) as string;
      const of = (id: string) => (unmeasured.includes(id) ? 'unmeasured' : isMeasured);
      const wanted = {
        refresh_duration: isMeasured,
        db_queries: isMeasured,
        concurrent_refresh: of('concurrent_refresh'),
        cache_hit: of('cache_hit'),
        background: of('background'),
      };
      await expect.poll(verdicts, { timeout: 30_000 }).toEqual(wanted);
      if (policy === 'offered') {
        const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
        expect(metrics).toContain(`carelink_rotation_offers_total{client="accepts"} ${REFRESHES}\n`);
        expect(metrics).toContain('carelink_rotation_offers_total{client="ignores"} 1\n');
      }
      await page.close();
    } finally {
      await server.stop();
    }
  });
});
