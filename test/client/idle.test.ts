/** The automatic log-off, in real tabs of Chromium. Times are of the browser's own clock. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { idleLogOff, type Duration, type IdleLogOff } from '../../src/client/idle.js';
import { services } from '../support/services.js';
import {
  clientWorld,
  liveTokens,
  login,
  until,
  type ClientWorld,
  type Mode,
  type Tabs,
} from './support/world.js';

declare global {
  interface Window {
    idle: IdleLogOff;
    /** When this tab saw its session end. */
    ended?: number;
    /** When this tab saw the last key. */
    pressed: number;
    connections: IDBDatabase[];
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

/** Pages that are loaded from now on are loaded 15 minutes later. */
const laterPages = ({ context }: Tabs): Promise<unknown> =>
  context.addInitScript(() => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + 890_000;
  });

/** Moves the clock of a page, as a computer's that slept: its alarms are where they were. */
const sleepFor = (page: Page, ms: number): Promise<void> =>
  page.evaluate((by) => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + by;
  }, ms);

/** Logs in with somebody at the keyboard, however long that takes. */
async function loginAwake(world: ClientWorld, mode: Mode, tabs: Tabs): ReturnType<typeof login> {
  const [page] = tabs.pages as [Page];
  const ticks = await page.evaluate(() => Number(setInterval(() => window.idle.stay(), 100)));
  const who = await login(world, mode, tabs, 900);
  await page.evaluate((id) => clearInterval(id), ticks);
  return who;
}

/** What another tab writes when it has input, so long from now by this page's clock. */
const writeInput = (page: Page, inMs: number): Promise<unknown> =>
  page.evaluate(
    (ms) =>
      new Promise<void>((resolve) => {
        const opening = indexedDB.open('carelink-tokens:/account/token/refresh/');
        opening.onsuccess = () => {
          const transaction = opening.result.transaction('sessions', 'readwrite');
          const atMs = Date.now() + ms;
          const key = `idle:${window.manager.getSnapshot().session}`;
          transaction.objectStore('sessions').put({ generation: atMs, atMs }, key);
          transaction.oncomplete = () => resolve();
        };
      }),
    inMs,
  );

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('an idle session', () => {
  const world = clientWorld();

  it.each(['memory', 'session', 'cookie'] as const)(
    '%s: input in one tab keeps both; none in either ends both at the same moment, and the server knows',
    async (mode) => {
      const tabs = await world.tabs(mode, 2, QUERY);
      const [one, other] = tabs.pages as [Page, Page];
      const who = await loginAwake(world, mode, tabs);
      await watch(tabs);
      await one.evaluate(() => addEventListener('keydown', () => (window.pressed = Date.now())));
      const begun = Date.now();
      while (Date.now() < begun + AFTER_MS + 1_500) {
        await one.bringToFront();
        await type(one);
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
      expect([await statusOf(one), await statusOf(other)]).toEqual(['signedIn', 'signedIn']);
      const ended = await Promise.all([endedAt(one), endedAt(other)]);
      const last = await one.evaluate(() => window.pressed);
      for (const at of ended) {
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
    // Their clocks stand still, and are set by hand; their alarms are real.
    const setClocks = async (ms: number): Promise<void> => {
      for (const page of tabs.pages) await page.evaluate((at) => void (Date.now = () => at), ms);
    };
    const begun = Date.now();
    await setClocks(begun);
    await login(world, 'memory', tabs, 900);
    await setClocks(begun + 2_000);
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
    await loginAwake(world, 'memory', tabs);
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
      await loginAwake(world, mode, tabs);
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
      const tabs = await world.tabs(mode, 1, 'idle=10m');
      const [page] = tabs.pages as [Page];
      const who = await login(world, mode, tabs, 900);
      await page.goto('about:blank');
      await laterPages(tabs);
      const site = world.site(mode);
      site.refreshes = 0;
      await page.goto(`${site.url}/?storage=${mode}&idle=10m`);
      await page.waitForFunction(() => window.up === true);
      expect([await statusOf(page), site.refreshes]).toEqual(['signedOut', 0]);
      await until(async () => (await liveTokens(world, who)) === 0);
      await tabs.context.close();
    },
  );

  it.each(['memory', 'cookie'] as const)(
    '%s: a service worker alone refreshes nothing when the time is over',
    async (mode) => {
      const tabs = await world.tabs(mode, 1, 'worker=1&idle=10m');
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
      await ask(60_000);
      await until(() => site.refreshes === 1);
      await tabs.context.close();
    },
  );

  it('a refresh that waits for its turn when the time is over is not sent', async () => {
    const tabs = await world.tabs('cookie', 1, 'idle=10m');
    const [page] = tabs.pages as [Page];
    await login(world, 'cookie', tabs, 900);
    const site = world.site('cookie');
    const sent = await page.evaluate(async () => {
      const lock = new Promise<void>((resolve) => (window.lock = resolve));
      void navigator.locks.request('carelink-tokens:/account/token/refresh/', () => lock);
      const refreshed = window.manager
        .refreshAccessToken()
        .catch((e: unknown) => (e as { code: string }).code);
      const now = Date.now.bind(Date);
      Date.now = () => now() + 700_000;
      window.lock!();
      return refreshed;
    });
    expect([sent, site.refreshes]).toEqual(['SIGNED_OUT', 0]);
    await tabs.context.close();
  });

  it.each(['memory', 'session', 'cookie'] as const)(
    '%s: a session that was ended by hand is not ended again by the pages that are loaded when the time is over',
    async (mode) => {
      const tabs = await world.tabs(mode, 1, 'idle=10m');
      const [page] = tabs.pages as [Page];
      const told: string[] = [];
      page.on('request', (request) => {
        if (request.url().endsWith('/blacklist/')) told.push(request.url());
      });
      await login(world, mode, tabs, 900);
      expect(await page.evaluate(() => window.manager.logout())).toBe(true);
      expect(told).toHaveLength(1);
      await laterPages(tabs);
      for (let n = 0; n < 2; n++) {
        await page.reload();
        await page.waitForFunction(() => window.up === true);
        expect(await page.evaluate(() => window.events)).toEqual([]);
      }
      expect(told).toHaveLength(1);
      // Somebody else logs in.
      await login(world, mode, tabs, 900);
      expect(await statusOf(page)).toBe('signedIn');
      await tabs.context.close();
    },
  );

  it('that has ended without anybody having logged out is told of by the first page, and by no other', async () => {
    const tabs = await world.tabs('cookie', 1, 'idle=10m');
    const [page] = tabs.pages as [Page];
    await login(world, 'cookie', tabs, 900);
    await laterPages(tabs);
    const told: unknown[] = [];
    for (let n = 0; n < 3; n++) {
      await page.reload();
      await page.waitForFunction(() => window.up === true);
      await page.evaluate(() => window.manager.logout());
      told.push(await page.evaluate(() => window.events.map(([, { where }]) => where)));
    }
    expect(told).toEqual([['idle'], [], []]);
    await tabs.context.close();
  });

  it('is not ended by a manager that was disposed of', async () => {
    const tabs = await world.tabs('memory', 1, 'idle=1s');
    const [page] = tabs.pages as [Page];
    await loginAwake(world, 'memory', tabs);
    await watch(tabs);
    const endsAt = await page.evaluate(() => {
      window.manager.dispose();
      return window.idle.endsAt;
    });
    expect(endsAt).toBe(Infinity);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await page.evaluate(() => window.ended)).toBe(undefined);
    await tabs.context.close();
  });

  it("goes on by another tab's input, though the browser has cut the connections to IndexedDB", async () => {
    const tabs = await world.tabs('memory', 1, 'idle=10m');
    const [page] = tabs.pages as [Page];
    await page.evaluate(() => {
      window.connections = [];
      const open = indexedDB.open.bind(indexedDB);
      IDBFactory.prototype.open = (...args) => {
        const opening = open(...args);
        opening.addEventListener('success', () => window.connections.push(opening.result));
        return opening;
      };
      return window.make();
    });
    await login(world, 'memory', tabs, 900);
    // There is one of the manager and one of the clock.
    await page.waitForFunction(() => window.connections.length >= 2);
    await sleepFor(page, 890_000);
    await writeInput(page, 0);
    const answer = await page.evaluate(async () => {
      for (const connection of window.connections) connection.close();
      return (await window.fire(1))[0]![0];
    });
    expect([answer, await statusOf(page)]).toEqual([200, 'signedIn']);
    await tabs.context.close();
  });

  it('a time of before the clock was set back is replaced by the next input', async () => {
    const tabs = await world.tabs('memory', 1, 'idle=10m');
    const [page] = tabs.pages as [Page];
    await login(world, 'memory', tabs, 900);
    await writeInput(page, 3_600_000);
    const late = () =>
      page.evaluate(() => {
        window.idle.stay();
        return new Promise<number>((resolve) => {
          const opening = indexedDB.open('carelink-tokens:/account/token/refresh/');
          opening.onsuccess = () => {
            const store = opening.result.transaction('sessions').objectStore('sessions');
            const reading = store.get(`idle:${window.manager.getSnapshot().session}`);
            reading.onsuccess = () =>
              resolve((reading.result as { generation: number }).generation - Date.now());
          };
        });
      });
    await until(async () => (await late()) <= 0);
    await tabs.context.close();
  });

  it('one idleLogOff() given to two managers, and a worker given by its URL, are refused at once', async () => {
    const tabs = await world.tabs('memory', 1, 'idle=10m');
    const errors = await tabs.pages[0]!.evaluate(() => {
      const Manager = window.manager.constructor as new (options: object) => unknown;
      return [{ idle: window.idle }, { serviceWorker: '/sw.js' }].map((options) => {
        try {
          new Manager(options);
        } catch (error) {
          return String(error);
        }
        return '';
      });
    });
    expect(errors).toEqual([
      "TypeError: This idleLogOff() is another manager's already: make one for each.",
      'TypeError: refreshWorker()',
    ]);
    await tabs.context.close();
  });

  it('memory: is told to the server by the tab that has the token, though one without it was the first to notice', async () => {
    const tabs = await world.tabs('memory', 1, 'idle=10m');
    const [page] = tabs.pages as [Page];
    const who = await login(world, 'memory', tabs, 900);
    const cdp = await tabs.context.newCDPSession(page);
    await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
    await laterPages(tabs);
    const later = await tabs.context.newPage();
    await later.goto(`${world.site('memory').url}/?storage=memory&idle=10m`);
    await later.waitForFunction(() => window.up === true);
    expect(await later.evaluate(() => window.events.map(([, { where }]) => where))).toEqual(['idle']);
    await later.evaluate(() => window.manager.logout());
    await cdp.send('Page.setWebLifecycleState', { state: 'active' });
    await page.waitForFunction(() => window.manager.getSnapshot().status === 'signedOut');
    // So that it looks now, and not at its next tick.
    await page.evaluate(() => window.dispatchEvent(new Event('focus')));
    await until(async () => (await liveTokens(world, who)) === 0);
    await tabs.context.close();
  });
});

it.each(['', '15', 'soon', '0s', '-1m', '25d'])("'%s' is no duration, and says what is", (after) => {
  expect(() => idleLogOff({ after: after as Duration })).toThrow(/after: '.*' is no duration.*90s or 15m/);
});
