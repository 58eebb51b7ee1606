/** What axe-core finds at the two pages that the server brings along: nothing. */
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { demoWorld } from './support/demo.js';

describe.skipIf(services().chromium === undefined)('axe-core finds nothing', () => {
  const world = demoWorld();

  /** Rule, and what breaks it. */
  async function findings(page: Page): Promise<string[]> {
    // By the debugger, which the page's policy does not keep from running scripts.
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() =>
      (window as unknown as { axe: typeof axe }).axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      }),
    );
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary ?? ''}`),
    );
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`at the demo, ${colorScheme}, before and after a log-in`, async () => {
      const page = await world.browser.newPage({ colorScheme, reducedMotion: 'reduce' });
      await page.goto(`${world.server.url}/account/token/demo/`);
      await page.waitForFunction(() => document.getElementById('status')?.textContent === 'signed out');
      expect(await findings(page)).toEqual([]);
      await page.click('#login-1');
      await page.waitForFunction(() => document.getElementById('status')?.textContent === 'signed in');
      expect(await findings(page)).toEqual([]);
      await page.close();
    });

    it(`at the dashboard, ${colorScheme}`, async () => {
      const page = await world.browser.newPage({ colorScheme, reducedMotion: 'reduce' });
      await page.goto(`${world.server.adminUrl}/dashboard`);
      await page.waitForSelector('canvas');
      expect(await findings(page)).toEqual([]);
      await page.close();
    });
  }
});
