/** A server that can't be reached, and pages that wait for it. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { clientWorld, gate, login, until } from './support/world.js';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('in an outage', () => {
  const world = clientWorld();

  it.each(['memory', 'cookie'] as const)('%s: eight tabs try no more often than one', async (mode) => {
    const tabs = await world.tabs(mode, 8);
    const who = await login(world, mode, tabs);
    const site = world.site(mode);
    site.fate = () => ({ status: 503 });
    const answers = tabs.pages.map((page) => page.evaluate(() => window.fire(2)));
    await pause(6_000);
    // One tab alone rests for 0.125 s at least, then 0.25, 0.5, 1, 2: 6 tries, and two more where news come late. Each by
    // itself they made 40 to 45.
    expect(site.refreshes).toBeLessThanOrEqual(8);
    site.fate = () => 'pass';
    expect((await Promise.all(answers)).flat()).toEqual(Array.from({ length: 16 }, () => [200, who.user]));
    await tabs.context.close();
  });

  it('a tab that is closed while the others wait for it leaves the next try to them', async () => {
    const tabs = await world.tabs('memory', 3);
    const who = await login(world, 'memory', tabs);
    const site = world.site('memory');
    const [first, ...others] = tabs.pages as [Page, Page, Page];
    site.fate = (n) => (n === 0 ? { status: 503 } : 'pass');
    await first.evaluate(() => {
      window.outcomes = window.fire(1).then((answered) => answered.map(([status]) => status));
    });
    await until(() => site.refreshes === 1);
    const answers = others.map((page) => page.evaluate(() => window.fire(1)));
    await first.close();
    expect((await Promise.all(answers)).flat()).toEqual([
      [200, who.user],
      [200, who.user],
    ]);
    site.fate = () => 'pass';
    await tabs.context.close();
  });

  it('`ready` is fulfilled within 5 s, as restoring; the session is here when the server is back', async () => {
    const tabs = await world.tabs('cookie', 1);
    const [page] = tabs.pages as [Page];
    const who = await login(world, 'cookie', tabs, 900);
    const site = world.site('cookie');
    const held = gate();
    site.fate = () => ({ until: held.opened, hold: 'before' });
    const [tookMs, status] = await page.evaluate(async () => {
      const begun = performance.now();
      await window.make();
      return [performance.now() - begun, window.manager.getSnapshot().status] as const;
    });
    expect(tookMs).toBeLessThan(8_000);
    expect(status).toBe('restoring');
    held.open();
    site.fate = () => 'pass';
    expect(await page.evaluate(() => window.fire(1))).toEqual([[200, who.user]]);
    await tabs.context.close();
  });

  it('a request with `maxWaitMs: Infinity` waits for as long as it takes', async () => {
    const tabs = await world.tabs('memory', 1, 'wait=Infinity');
    const [page] = tabs.pages as [Page];
    const who = await login(world, 'memory', tabs);
    const site = world.site('memory');
    site.fate = (n) => (n < 2 ? { status: 503 } : 'pass');
    expect(await page.evaluate(() => window.fire(2))).toEqual([
      [200, who.user],
      [200, who.user],
    ]);
    expect(site.refreshes).toBe(3);
    site.fate = () => 'pass';
    await tabs.context.close();
  });
});
