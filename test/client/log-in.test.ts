/** What a log-in is told at once, and what it means for the other tabs. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';
import { clientWorld, liveTokens, login, MODES, until, type Mode, type Tabs } from './support/world.js';

const statusOf = (page: Page): Promise<string> => page.evaluate(() => window.manager.getSnapshot().status);

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('a log-in', () => {
  const world = clientWorld();

  /** Another user, who logs in in this tab. */
  async function enter(page: Page, mode: Mode): Promise<string> {
    const minted = await world.rotation.login();
    const { token: access } = mintRefresh({
      userId: minted.userId,
      tokenType: 'access',
      lifetimeSeconds: 900,
    });
    const site = world.site(mode);
    site.fate = () => (mode === 'cookie' ? { access } : 'pass');
    await page.evaluate((pair) => window.manager.setTokens(pair), { access, refresh: minted.token });
    site.fate = () => 'pass';
    return String(minted.userId);
  }

  /** Two tabs that both know of nobody. */
  const apart = (mode: Mode): Promise<Tabs> => world.tabs(mode, 2, 'background=1');

  it.each(MODES)("%s: ends another user's session in another tab, which is told", async (mode) => {
    const tabs = await apart(mode);
    const [page, other] = tabs.pages as [Page, Page];
    const alice = await login(world, mode, { ...tabs, pages: [page] }, 900);
    const bob = await enter(other, mode);
    await page.waitForFunction(() => window.manager.getSnapshot().status === 'signedOut');
    const told = await page.evaluate(() => window.events.filter(([name]) => name === 'signedOut'));
    expect(told).toEqual([['signedOut', { session: expect.any(String), where: 'elsewhere' }]]);
    expect(await other.evaluate(() => String(window.manager.getSnapshot().userId))).toBe(bob);
    // The tab that has the token tells the server when it looks the next time.
    await page.evaluate(() => window.dispatchEvent(new Event('focus')));
    await until(async () => (await liveTokens(world, alice)) === 0);
    // Whoever reloads that tab is Bob, too.
    if (mode !== 'cookie') {
      await page.evaluate(() => window.make());
      expect(await page.evaluate(() => String(window.manager.getSnapshot().userId))).toBe(bob);
    }
    await tabs.context.close();
  });

  it.each(MODES)('%s: without one of its tokens it is refused, and who is here stays', async (mode) => {
    const tabs = await world.tabs(mode, 1);
    const [page] = tabs.pages as [Page];
    await login(world, mode, tabs, 900);
    const names = await page.evaluate(async () => {
      const wrong = [
        undefined,
        {},
        { access: 'a' },
        { refresh: 'r' },
        { access_token: 'a', refresh_token: 'r' },
      ];
      const told = [];
      for (const one of wrong)
        told.push(
          await window.manager.setTokens(one as never).catch((error: unknown) => (error as Error).name),
        );
      return told;
    });
    expect(names).toEqual(Array.from({ length: 5 }, () => 'TypeError'));
    expect(await statusOf(page)).toBe('signedIn');
    expect(await page.evaluate(() => window.events.filter(([name]) => name === 'signedOut'))).toEqual([]);
    await tabs.context.close();
  });

  it('with a user id that is not ASCII: it is said as it is', async () => {
    const tabs = await world.tabs('memory', 1);
    const [page] = tabs.pages as [Page];
    const { token: access } = mintRefresh({
      userId: 'Jürgen 李 😀',
      tokenType: 'access',
      lifetimeSeconds: 900,
    });
    const userId = await page.evaluate(async (token) => {
      await window.manager.setTokens({ access: token, refresh: 'r' });
      return window.manager.getSnapshot().userId;
    }, access);
    expect(userId).toBe('Jürgen 李 😀');
    await tabs.context.close();
  });

  describe('in cookie mode where no cookie can be had', () => {
    /** What setTokens tells, and which of ours the server has taken. */
    const attempt = (page: Pick<Page, 'evaluate'>, refresh: string) =>
      page.evaluate(async (token) => {
        const { constructor } = window.manager;
        const manager = new (constructor as new (options: object) => typeof window.manager)({
          storage: 'cookie',
          name: 'cookies',
        });
        const ends: string[] = [];
        for (const name of ['expired', 'signedOut'] as const) manager.on(name, () => ends.push(name));
        const told = await manager
          .setTokens({ access: token, refresh: token })
          .catch((error: unknown) => (error as Error).message);
        manager.dispose();
        return [told, ends];
      }, refresh);

    it('because the server is not started for it: the log-in is told, and its token is not spent', async () => {
      const tabs = await world.tabs('memory', 1);
      const minted = await world.rotation.login();
      expect(await attempt(tabs.pages[0]!, minted.token)).toEqual(['REFRESH_FAILED 403', []]);
      expect(await liveTokens(world, { minted, user: '' })).toBe(1);
      await tabs.context.close();
    });

    it("because the page is in a frame of another site's: the log-in is told, and its token is not spent", async () => {
      const tabs = await world.tabs('memory', 1);
      const [page] = tabs.pages as [Page];
      const url = `${world.site('cookie').url}/?storage=cookie`;
      // localhost is another site than 127.0.0.1, and as trusted.
      await page.goto(`${world.site('memory').url.replace('127.0.0.1', 'localhost')}/?storage=memory`);
      await page.evaluate((src) => {
        const frame = document.createElement('iframe');
        frame.src = src;
        document.body.append(frame);
      }, url);
      await until(() => page.frames().length > 1);
      const frame = page.frames()[1]!;
      await frame.waitForFunction(() => window.up === true);
      const minted = await world.rotation.login();
      expect(await attempt(frame, minted.token)).toEqual(['REFRESH_FAILED cookie', []]);
      expect(await liveTokens(world, { minted, user: '' })).toBe(1);
      await tabs.context.close();
    });
  });
});
