import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { clientWorld, gate, login, until } from './support/world.js';

/** A request that waits for a refresh. */
const send = (page: Page): Promise<void> =>
  page.evaluate(() => {
    window.outcomes = window.fire(1).then((answers) => answers.map(([status]) => status));
  });

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)(
  'a manager that is disposed of',
  () => {
    const world = clientWorld();

    it('refreshes no more, and says so', async () => {
      const tabs = await world.tabs('memory', 1);
      await login(world, 'memory', tabs);
      const codes = await tabs.pages[0]!.evaluate(async () => {
        window.manager.dispose();
        const refused = await window.manager
          .refreshAccessToken()
          .catch((error: unknown) => (error as { code: string }).code);
        return [refused, (await window.fire(1))[0]![0]];
      });
      expect(codes).toEqual(['DISPOSED', 'DISPOSED']);
      expect(world.site('memory').refreshes).toBe(0);
      await tabs.context.close();
    });

    it('stops trying, and tells who waits', async () => {
      const tabs = await world.tabs('memory', 1);
      const [page] = tabs.pages;
      await login(world, 'memory', tabs);
      const site = world.site('memory');
      site.fate = () => ({ status: 503 });
      await send(page!);
      await page!.waitForFunction(() => window.events.some(([name]) => name === 'failed'));
      await page!.evaluate(() => window.manager.dispose());
      expect(await page!.evaluate(() => window.outcomes)).toEqual(['DISPOSED']);
      site.fate = () => 'pass';
      await tabs.context.close();
    });

    it('leaves what a refresh under way brings to the other tabs', async () => {
      const tabs = await world.tabs('memory', 2);
      const [page, other] = tabs.pages;
      await login(world, 'memory', tabs);
      const site = world.site('memory');
      const held = gate();
      site.fate = () => ({ until: held.opened, hold: 'after' });
      await send(page!);
      await until(() => site.refreshes === 1);
      await page!.evaluate(() => window.manager.dispose());
      held.open();
      await other!.waitForFunction(() => window.manager.getSnapshot().generation === 1);
      expect(await page!.evaluate(() => window.outcomes)).toEqual(['DISPOSED']);
      site.fate = () => 'pass';
      await tabs.context.close();
    });

    it("does not put a late answer in the place of the next user's session", async () => {
      const tabs = await world.tabs('session', 1);
      const [page] = tabs.pages;
      await login(world, 'session', tabs);
      const site = world.site('session');
      const held = gate();
      site.fate = () => ({ until: held.opened, hold: 'after' });
      await send(page!);
      await until(() => site.refreshes === 1);
      await page!.evaluate(() => window.make());
      const next = await login(world, 'session', tabs);
      held.open();
      await page!.evaluate(() => window.outcomes);
      // A reload finds what is stored.
      await page!.evaluate(() => window.make());
      expect(await page!.evaluate(() => String(window.manager.getSnapshot().userId))).toBe(next.user);
      site.fate = () => 'pass';
      await tabs.context.close();
    });
  },
);
