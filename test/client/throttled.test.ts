/** A user who refreshes too often: the server says when to come again, and the client keeps to it. */
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';
import { startSite, type Site } from './support/site.js';

const found = services();

describe.skipIf(found.chromium === undefined || found.postgres === undefined)('a throttled user', () => {
  const rotation = rotationWorld();
  let browser: Browser;
  const closing: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: found.chromium!, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser.close();
    for (const close of closing.reverse()) await close();
  });

  async function siteWith(rate: string): Promise<Site> {
    const server: TestServer = await startServer({
      databaseUrl: rotation.url,
      args: ['--throttle-user', rate],
    });
    closing.push(() => server.stop());
    const site = await startSite(server.url);
    closing.push(() => site.close());
    return site;
  }

  async function open(site: Site, query: string): Promise<Page> {
    const page = await browser.newPage();
    await page.goto(`${site.url}/?storage=memory&${query}`);
    await page.waitForFunction(() => window.up === true);
    return page;
  }

  /** Logs a user of his own in, with an access token that has expired. */
  async function login(page: Page): Promise<void> {
    const { token, userId } = await rotation.login();
    const iatSeconds = Math.floor(Date.now() / 1000) - 900;
    const access = mintRefresh({ userId, tokenType: 'access', iatSeconds, lifetimeSeconds: 899 }).token;
    await page.evaluate((pair) => window.manager.setTokens(pair), { access, refresh: token });
  }

  const refresh = (page: Page): Promise<string> =>
    page.evaluate(() =>
      window.manager.refreshAccessToken().then(
        () => 'refreshed',
        (error: unknown) => (error as { code: string }).code,
      ),
    );

  it('is let alone until the time that the server names, and stays signed in; the next user need not wait', async () => {
    const site = await siteWith('3/h');
    const page = await open(site, 'wait=5000&background=1');
    await login(page);
    for (let n = 0; n < 3; n++) expect(await refresh(page)).toBe('refreshed');
    const before = await page.evaluate(() => window.manager.getAccessToken());
    const granted = site.refreshes;
    expect(await refresh(page)).toBe('UNAVAILABLE');
    expect(site.refreshes).toBe(granted + 1);
    // Whoever asks again, and whatever wakes the page: nothing is sent.
    for (let n = 0; n < 5; n++) expect(await refresh(page)).toBe('UNAVAILABLE');
    await page.evaluate(() => {
      for (let n = 0; n < 20; n++) for (const name of ['focus', 'online']) dispatchEvent(new Event(name));
    });
    expect(await page.evaluate(() => window.fire(5))).toEqual(
      Array.from({ length: 5 }, () => [200, expect.any(String)]),
    );
    expect(site.refreshes).toBe(granted + 1);
    const { status, token, over } = await page.evaluate(() => ({
      status: window.manager.getSnapshot().status,
      token: window.manager.getAccessToken(),
      over: window.events.filter(([name]) => name === 'expired' || name === 'signedOut'),
    }));
    expect([status, token, over]).toEqual(['signedIn', before, []]);

    expect(await page.evaluate(() => window.manager.logout())).toBe(true);
    await login(page);
    expect(await refresh(page)).toBe('refreshed');
    await page.close();
  });

  it('waits no longer when the clock is set back meanwhile', async () => {
    const site = await siteWith('1000/h');
    const page = await open(site, 'background=1');
    await login(page);
    await refresh(page);
    site.refreshes = 0;
    site.fate = (n) => (n === 0 ? { status: 503, retryAfter: '1' } : 'pass');
    const refreshed = refresh(page);
    await page.waitForFunction(() => window.events.some(([name]) => name === 'failed'));
    await page.evaluate(() => {
      const now = Date.now.bind(Date);
      Date.now = () => now() - 3_600_000;
    });
    expect(await refreshed).toBe('refreshed');
    expect(site.refreshes).toBe(2);
    await page.close();
  });

  it('waits as long as the server says, and then refreshes by itself, once', async () => {
    // One every three seconds, and twenty to begin with.
    const site = await siteWith('20/m');
    const page = await open(site, '');
    await login(page);
    const rests = () =>
      page.evaluate(() =>
        window.events.filter(([name]) => name === 'failed').map(([, detail]) => Number(detail['retryInMs'])),
      );
    let asked = 0;
    do {
      expect(await refresh(page)).toBe('refreshed');
      asked += 1;
    } while ((await rests()).length === 0 && asked < 100);
    const waited = await rests();
    expect(waited.length).toBe(1);
    expect(waited[0]).toBeGreaterThanOrEqual(1_000);
    // One of them was throttled, waited, and was sent again.
    expect(site.refreshes).toBe(asked + 1);
    await page.close();
  });
});
