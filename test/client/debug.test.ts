/** Why a refresh started, waited and was dropped, as a page's console is told. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { RefreshNote } from '../../src/client/adapters/debug.js';
import { services } from '../support/services.js';
import { clientWorld, gate, login, until, type Tabs } from './support/world.js';

declare global {
  interface Window {
    notes: RefreshNote[];
  }
}

const code = readFileSync(new URL('../../dist/client/adapters/debug.js', import.meta.url), 'utf8');
const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('debugRefreshes', () => {
  const world = clientWorld();

  /** A page whose refreshes are told from now on. */
  async function watch(page: Page): Promise<void> {
    await page.route('**/debug.js', (route) => route.fulfill({ contentType: 'text/javascript', body: code }));
    await page.evaluate(`import('/debug.js').then(({ debugRefreshes }) => {
      window.notes = [];
      debugRefreshes(window.manager, (note) => window.notes.push(note));
    })`);
  }
  const notes = (page: Page): Promise<string[]> =>
    page.evaluate(() => window.notes.map(({ what, why }) => `${what}: ${why}`));
  async function opened(count: number, lifeSeconds?: number): Promise<Tabs> {
    const tabs = await world.tabs('memory', count);
    await login(world, 'memory', tabs, lifeSeconds);
    for (const page of tabs.pages) await watch(page);
    return tabs;
  }

  it.each([
    ['expired', undefined],
    ['due', 100],
    ['asked', 900],
  ])('one that starts because it is %s is done', async (why, lifeSeconds) => {
    const tabs = await opened(2, lifeSeconds);
    const [page, other] = tabs.pages as [Page, Page];
    await page.evaluate(() => window.manager.refreshAccessToken());
    expect(await notes(page)).toEqual([`started: ${why}`, 'done: here']);
    await other.waitForFunction(() => window.notes.length > 0);
    expect(await notes(other)).toEqual(['done: elsewhere']);
    await tabs.context.close();
  });

  it('one that the server puts off waits for it', async () => {
    const tabs = await opened(1);
    const [page] = tabs.pages as [Page];
    const site = world.site('memory');
    site.fate = (n) => (n === 0 ? { status: 503, retryAfter: '1' } : 'pass');
    await page.evaluate(() => window.fire(3));
    expect(await notes(page)).toEqual(['started: expired', 'waits: server', 'done: here']);
    site.fate = () => 'pass';
    await tabs.context.close();
  });

  it('one that comes after another tab waits for its turn, and has nothing left to do', async () => {
    const tabs = await opened(2);
    const [page, other] = tabs.pages as [Page, Page];
    const site = world.site('memory');
    const held = gate();
    site.fate = () => ({ until: held.opened, hold: 'before' });
    const first = page.evaluate(() => window.fire(1));
    await until(() => site.refreshes === 1);
    const second = other.evaluate(() => window.fire(1));
    await other.waitForFunction(() => window.notes.length === 2);
    held.open();
    await Promise.all([first, second]);
    expect(await notes(other)).toEqual(['started: expired', 'waits: turn', 'done: here']);
    site.fate = () => 'pass';
    await tabs.context.close();
  });

  it.each([
    ['the session ends meanwhile', 'ended'],
    ['the endpoint is the wrong one', 'REFRESH_FAILED'],
  ])('one is dropped because %s', async (_, why) => {
    const tabs = await opened(1);
    const [page] = tabs.pages as [Page];
    const site = world.site('memory');
    const held = gate();
    site.fate = () => (why === 'ended' ? { until: held.opened, hold: 'before' } : { status: 404 });
    const sent = page.evaluate(() => window.fire(1));
    await until(() => site.refreshes === 1);
    if (why === 'ended') await page.evaluate(() => void window.manager.logout());
    held.open();
    await sent;
    await page.waitForFunction(() => window.notes.length === 2);
    expect(await notes(page)).toEqual(['started: expired', `dropped: ${why}`]);
    site.fate = () => 'pass';
    await tabs.context.close();
  });
});
