/** The automatic log-off, in real tabs of Chromium. Times are of the browser's own clock. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { idleLogOff, type Duration, type IdleLogOff } from '../../src/client/idle.js';
import { services } from '../support/services.js';
import { clientWorld, gate, liveTokens, login, until, type Tabs } from './support/world.js';

declare global {
  interface Window {
    idle: IdleLogOff;
    /** When this tab saw its session end. */
    ended?: number;
    lock?: () => void;
  }
}

const AFTER_MS = 3_000;
const QUERY = `idle=${AFTER_MS}ms&background=1`;

const statusOf = (page: Page): Promise<string> => page.evaluate(() => window.manager.getSnapshot().status);
const type = (page: Page): Promise<void> => page.keyboard.press('Shift');

/** Notes in each tab when its session ends. */
async function watch({ pages }: Tabs): Promise<void> {
  for (const page of pages)
    await page.evaluate(() => window.manager.on('signedOut', () => (window.ended ??= Date.now())));
}

const endedAt = async (page: Page): Promise<number> => {
  await page.waitForFunction(() => window.ended !== undefined);
  return page.evaluate(() => window.ended!);
};

/** Moves the clock of a page, as a computer's that slept: its alarms are where they were. */
const sleepFor = (page: Page, ms: number): Promise<void> =>
  page.evaluate((by) => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + by;
  }, ms);

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('an idle session', () => {
  const world = clientWorld();

  it.each(['memory', 'session', 'cookie'] as const)(
    '%s: input in one tab keeps both; none in either ends both at the same moment, and the server knows',
    async (mode) => {
      const tabs = await world.tabs(mode, 2, QUERY);
      const [one, other] = tabs.pages as [Page, Page];
      const who = await login(world, mode, tabs, 900);
      await watch(tabs);
      let last = 0;
      const begun = Date.now();
      while (Date.now() < begun + AFTER_MS + 1_500) {
        await one.bringToFront();
        last = Date.now();
        await type(one);
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
      expect([await statusOf(one), await statusOf(other)]).toEqual(['signedIn', 'signedIn']);
      for (const at of await Promise.all([endedAt(one), endedAt(other)])) {
        expect(Math.abs(at - last - AFTER_MS)).toBeLessThan(1_000);
      }
      const told = await Promise.all(
        tabs.pages.map((page) => page.evaluate(() => window.events.filter(([name]) => name === 'signedOut'))),
      );
      expect(told.map((events) => events.map(([, { where }]) => where))).toEqual([['idle'], ['idle']]);
      await until(async () => (await liveTokens(world, who)) === 0);
      await tabs.context.close();
    },
  );

  it('is warned of in all tabs, with the seconds left; stay() in one of them goes on for all', async () => {
    const tabs = await world.tabs('memory', 2, 'idle=4s&warn=2s');
    await login(world, 'memory', tabs, 900);
    const warnings = (page: Page) =>
      page.evaluate(() =>
        window.events.filter(([name]) => name === 'idleWarning').map(([, { secondsLeft }]) => secondsLeft),
      );
    for (const page of tabs.pages)
      await page.waitForFunction(() => window.events.some(([name]) => name === 'idleWarning'));
    await tabs.pages[1]!.evaluate(() => window.idle.stay());
    for (const page of tabs.pages) {
      await page.waitForFunction(() => window.events.filter(([name]) => name === 'idleWarning').length === 2);
      expect(await warnings(page)).toEqual([2, undefined]);
      expect(await statusOf(page)).toBe('signedIn');
    }
    await tabs.context.close();
  });

  it('requests, refreshes and what scripts dispatch are no input', async () => {
    const tabs = await world.tabs('memory', 1, QUERY);
    const [page] = tabs.pages as [Page];
    await login(world, 'memory', tabs, 900);
    await watch(tabs);
    const begun = await page.evaluate(() => {
      setInterval(() => {
        void window.fire(1);
        void window.manager.refreshAccessToken().catch(() => undefined);
        window.dispatchEvent(new KeyboardEvent('keydown'));
        window.scrollBy(0, 1);
      }, 200);
      return Date.now();
    });
    expect((await endedAt(page)) - begun).toBeLessThan(AFTER_MS + 1_000);
    await tabs.context.close();
  });

  it.each(['memory', 'cookie'] as const)(
    '%s: a tab that was frozen goes on where another one had input, and ends with it where none had',
    async (mode) => {
      const tabs = await world.tabs(mode, 2, QUERY);
      const [one, other] = tabs.pages as [Page, Page];
      await login(world, mode, tabs, 900);
      await watch(tabs);
      const cdp = await tabs.context.newCDPSession(other);
      await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
      const begun = Date.now();
      while (Date.now() < begun + AFTER_MS + 1_000) {
        await one.evaluate(() => window.idle.stay());
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
      await cdp.send('Page.setWebLifecycleState', { state: 'active' });
      expect(await other.evaluate(async () => (await window.fire(1))[0]![0])).toBe(200);
      await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
      await endedAt(one);
      await cdp.send('Page.setWebLifecycleState', { state: 'active' });
      await endedAt(other);
      expect(await other.evaluate(async () => (await window.fire(1))[0]![0])).toBe('SIGNED_OUT');
      await tabs.context.close();
    },
  );

  it.each(['memory', 'cookie'] as const)(
    '%s: a computer that slept sends neither a request nor a refresh first, and the key that wakes it up comes too late',
    async (mode) => {
      const tabs = await world.tabs(mode, 1, `idle=10m&background=1`);
      const [page] = tabs.pages as [Page];
      const who = await login(world, mode, tabs, 900);
      await watch(tabs);
      const site = world.site(mode);
      const api = await page.evaluate(() => performance.getEntriesByName(`${location.origin}/api/x`).length);
      await sleepFor(page, 890_000);
      // A request that a script makes, and a key, before any alarm rings.
      await type(page);
      const answer = await page.evaluate(async () => (await window.fire(1))[0]![0]);
      expect([answer, await statusOf(page), site.refreshes]).toEqual(['SIGNED_OUT', 'signedOut', 0]);
      const sent = await page.evaluate(() => performance.getEntriesByName(`${location.origin}/api/x`).length);
      expect(sent).toBe(api);
      await until(async () => (await liveTokens(world, who)) === 0);
      await tabs.context.close();
    },
  );

  it('a request alone is enough to notice that a computer slept', async () => {
    const tabs = await world.tabs('cookie', 1, `idle=10m&background=1`);
    const [page] = tabs.pages as [Page];
    await login(world, 'cookie', tabs, 900);
    await sleepFor(page, 890_000);
    const answer = await page.evaluate(async () => (await window.fire(1))[0]![0]);
    expect([answer, world.site('cookie').refreshes]).toEqual(['SIGNED_OUT', 0]);
    await tabs.context.close();
  });

  it.each(['session', 'cookie'] as const)(
    '%s: a page that is opened again when the time is over finds no session, and the server is told',
    async (mode) => {
      const tabs = await world.tabs(mode, 1, 'idle=1s');
      const [page] = tabs.pages as [Page];
      const who = await login(world, mode, tabs, 900);
      await page.goto('about:blank');
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      const site = world.site(mode);
      site.refreshes = 0;
      await page.goto(`${site.url}/?storage=${mode}&idle=1s`);
      await page.waitForFunction(() => window.up === true);
      expect([await statusOf(page), site.refreshes]).toEqual(['signedOut', 0]);
      await until(async () => (await liveTokens(world, who)) === 0);
      await tabs.context.close();
    },
  );

  it.each(['memory', 'cookie'] as const)(
    '%s: a service worker alone refreshes nothing when the time is over',
    async (mode) => {
      const tabs = await world.tabs(mode, 1, `worker=1&idle=${AFTER_MS}ms`);
      const [page] = tabs.pages as [Page];
      await login(world, mode, tabs, 900);
      const ask = (leftMs: number) =>
        page.evaluate(
          async ([left, cookie]) => {
            const registration = await navigator.serviceWorker.getRegistrations().then(([one]) => one!);
            while (!registration.active) await new Promise((resolve) => setTimeout(resolve, 10));
            const { session, generation } = window.manager.getSnapshot();
            registration.active.postMessage({
              type: 'SCHEDULE_TOKEN_REFRESH',
              ...(!cookie && { refreshToken: 'a token' }),
              expirationTime: 0,
              session,
              generation,
              notAfter: Date.now() + left,
            });
          },
          [leftMs, mode === 'cookie'] as const,
        );
      const site = world.site(mode);
      site.refreshes = 0;
      // Asked in time, and kept waiting by the lock until the time is over.
      await page.evaluate(() => {
        const held = new Promise<void>((resolve) => (window.lock = resolve));
        void navigator.locks.request('carelink-tokens:/account/token/refresh/', () => held);
      });
      await ask(500);
      await new Promise((resolve) => setTimeout(resolve, 700));
      await page.evaluate(() => window.lock!());
      await ask(-1);
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(site.refreshes).toBe(0);
      await ask(2_000);
      await until(() => site.refreshes === 1);
      await tabs.context.close();
    },
  );

  it('a refresh that waits for its turn when the time is over is not sent', async () => {
    const tabs = await world.tabs('cookie', 1, 'idle=1s');
    const [page] = tabs.pages as [Page];
    await login(world, 'cookie', tabs, 900);
    const held = gate();
    const site = world.site('cookie');
    const sent = await page.evaluate(async () => {
      const lock = new Promise<void>((resolve) => (window.lock = resolve));
      void navigator.locks.request('carelink-tokens:/account/token/refresh/', () => lock);
      const refreshed = window.manager
        .refreshAccessToken()
        .catch((e: unknown) => (e as { code: string }).code);
      const now = Date.now.bind(Date);
      Date.now = () => now() + 2_000;
      window.lock!();
      return refreshed;
    });
    held.open();
    expect([sent, site.refreshes]).toEqual(['SIGNED_OUT', 0]);
    await tabs.context.close();
  });
});

it.each(['', '15', 'soon', '0s', '-1m', '25d'])("'%s' is no duration, and says what is", (after) => {
  expect(() => idleLogOff({ after: after as Duration })).toThrow(/after: '.*' is no duration.*90s or 15m/);
});
