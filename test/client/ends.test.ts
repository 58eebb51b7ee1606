/** What must be over when a session is: for the page that loads next, for the server, and for the next user. */
import { createHmac } from 'node:crypto';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { mintRefresh, TEST_SIGNING_KEY } from '../support/tokens.js';
import type { TokenManager } from '../../src/client/token-manager.js';
import { clientWorld, gate, liveTokens, login, MODES, until, type Login } from './support/world.js';

declare global {
  interface Window {
    late: Promise<string[]>;
  }
}

/** How often what is a race is run. */
const TIMES = Number(process.env['TIMES'] ?? (process.env['LONG'] === '1' ? 20 : 1));
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const statusOf = (page: Page): Promise<string> => page.evaluate(() => window.manager.getSnapshot().status);

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('the end of a session', () => {
  const world = clientWorld();

  const revoke = ({ minted }: Login) =>
    world.rotation.sql(
      `INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
       SELECT id, now() FROM token_blacklist_outstandingtoken WHERE user_id = $1 ON CONFLICT DO NOTHING`,
      [minted.userId],
    );

  it('cookie: one that the server has ended is not tried again by the next pages', async () => {
    const tabs = await world.tabs('cookie', 1, 'background=1');
    const [page] = tabs.pages as [Page];
    const who = await login(world, 'cookie', tabs, 900);
    await revoke(who);
    const site = world.site('cookie');
    // As the log-in page of an app in one shell does: it is loaded when the session is over, and loads the client again.
    const loaded = page.waitForEvent('load');
    await page.evaluate(() => {
      window.manager.on('expired', () => location.reload());
      void window.manager.refreshAccessToken().catch(() => undefined);
    });
    await loaded;
    await page.waitForFunction(() => window.up === true);
    site.refreshes = 0;
    for (let n = 0; n < TIMES; n++) {
      await page.reload();
      await page.waitForFunction(() => window.up === true);
      expect(await statusOf(page)).toBe('signedOut');
    }
    expect(site.refreshes).toBe(0);
    await tabs.context.close();
  });

  it.each(MODES.flatMap((mode) => [401, 400].map((status) => [mode, status] as const)))(
    "%s: a proxy's own %i, which is a page, ends nothing",
    async (mode, status) => {
      const tabs = await world.tabs(mode, 1);
      const [page] = tabs.pages as [Page];
      await login(world, mode, tabs);
      const site = world.site(mode);
      site.fate = (n) => (n < 2 ? { status, html: true } : 'pass');
      expect(await page.evaluate(async () => (await window.fire(1))[0]![0])).toBe(200);
      site.fate = () => 'pass';
      await tabs.context.close();
    },
  );

  describe.each(MODES)('a log-out (%s) reaches the server', (mode) => {
    it.each([
      ['navigates away', "location.assign('about:blank')"],
      ['is closed', ''],
    ])('when the page %s in the same moment', async (_, leave) => {
      for (let n = 0; n < TIMES; n++) {
        const tabs = await world.tabs(mode, 1);
        const [page] = tabs.pages as [Page];
        const who = await login(world, mode, tabs, 900);
        await page.evaluate(`void window.manager.logout(); ${leave}`).catch(() => undefined);
        if (leave === '') await page.close();
        await until(async () => (await liveTokens(world, who)) === 0);
        await tabs.context.close();
      }
    });

    it('when the network is back; until then logout() says that it is owed', async () => {
      const tabs = await world.tabs(mode, 1);
      const [page] = tabs.pages as [Page];
      const who = await login(world, mode, tabs, 900);
      await tabs.context.setOffline(true);
      const logout = () => page.evaluate(() => window.manager.logout());
      expect([await logout(), await statusOf(page), await logout()]).toEqual([false, 'signedOut', false]);
      await tabs.context.setOffline(false);
      await until(async () => (await liveTokens(world, who)) === 0);
      expect(await logout()).toBe(true);
      await tabs.context.close();
    });
  });

  it.each([
    ['memory', 'a tab that was open'],
    ['cookie', 'a tab that is opened later'],
  ] as const)(
    '%s: a log-out without network, in a tab that is closed, is told by %s',
    async (mode, which) => {
      const tabs = await world.tabs(mode, which === 'a tab that was open' ? 2 : 1);
      const [page, other] = tabs.pages;
      const who = await login(world, mode, tabs, 900);
      await tabs.context.setOffline(true);
      await page!.evaluate(() => void window.manager.logout());
      await other?.waitForFunction(() => window.manager.getSnapshot().status === 'signedOut');
      await page!.close();
      await tabs.context.setOffline(false);
      if (!other) {
        const later = await tabs.context.newPage();
        await later.goto(`${world.site(mode).url}/?storage=${mode}`);
        await later.waitForFunction(() => window.up === true);
        expect(await statusOf(later)).toBe('signedOut');
      }
      await until(async () => (await liveTokens(world, who)) === 0);
      await tabs.context.close();
    },
  );

  it('cookie: the token of a log-in that was not exchanged is not written down, and is revoked when the network is back', async () => {
    const tabs = await world.tabs('cookie', 2);
    const [page, other] = tabs.pages as [Page, Page];
    const site = world.site('cookie');
    site.fate = () => 'drop';
    const minted = await world.rotation.login();
    const who = { minted, user: String(minted.userId) };
    const { token: access } = mintRefresh({
      userId: minted.userId,
      tokenType: 'access',
      lifetimeSeconds: 900,
    });
    await page.evaluate((pair) => void window.manager.setTokens(pair).catch(() => undefined), {
      access,
      refresh: minted.token,
    });
    await until(() => site.refreshes > 0);
    await tabs.context.setOffline(true);
    expect(await page.evaluate(() => window.manager.logout())).toBe(false);
    const stored = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage]));
    expect(stored).toMatch(/:owed/);
    expect(stored).not.toContain(minted.token);
    await tabs.context.setOffline(false);
    // It knows of the id alone.
    expect(await other.evaluate(() => window.manager.logout())).toBe(true);
    await until(async () => (await liveTokens(world, who)) === 0);
    site.fate = () => 'pass';
    await tabs.context.close();
  });

  it('also in a browser that can not join two signals no answer arrives after its session has ended', async () => {
    const tabs = await world.tabs('memory', 1, 'lacks=any');
    const [page] = tabs.pages as [Page];
    const site = world.site('memory');
    await login(world, 'memory', tabs, 900);
    const held = gate();
    site.release = held.opened;
    const sent = page.waitForRequest('**/api/held/head');
    await page.evaluate(() => {
      const head = window.manager.authenticatedFetch('/api/held/head').then((r) => r.text());
      window.late = Promise.all([head.catch((error: unknown) => (error as { code: string }).code)]);
    });
    await sent;
    await page.evaluate(() => void window.manager.logout());
    held.open();
    expect(await page.evaluate(() => window.late)).toEqual(['SIGNED_OUT']);
    await tabs.context.close();
  });

  it.each(MODES)(
    "%s: what the former user's requests bring, headers or the rest of a body, does not arrive at the next one's",
    async (mode) => {
      const tabs = await world.tabs(mode, 1);
      const [page] = tabs.pages as [Page];
      const site = world.site(mode);
      for (let n = 0; n < TIMES; n++) {
        await login(world, mode, tabs, 900);
        const held = gate();
        site.release = held.opened;
        await page.evaluate(async () => {
          const code = (error: unknown): string => (error as { code?: string }).code ?? String(error);
          const head = window.manager.authenticatedFetch('/api/held/head').then((r) => r.text());
          const reader = (await window.manager.authenticatedFetch('/api/held/body')).body!.getReader();
          await reader.read();
          const rest = reader.read().then(({ value }) => new TextDecoder().decode(value));
          const unread = (await window.manager.authenticatedFetch('/api/x')).clone();
          void window.manager.logout();
          window.late = Promise.all([head, rest, unread.text()].map((one) => one.catch(code)));
        });
        await login(world, mode, tabs, 900);
        held.open();
        const [head, rest] = await page.evaluate(() => window.late);
        expect([head, rest]).toEqual(['SIGNED_OUT', 'SIGNED_OUT']);
        // The next user's own go on.
        expect(await page.evaluate(async () => (await window.fire(1))[0]![0])).toBe(200);
      }
      await tabs.context.close();
    },
  );

  it("a page that slept looks before it sends, though an earlier look never came back (Safari's Back)", async () => {
    const tabs = await world.tabs('memory', 1, 'background=1');
    const [page] = tabs.pages as [Page];
    await login(world, 'memory', tabs, 900);
    const after = await page.evaluate(async () => {
      const { session } = window.manager.getSnapshot();
      // A look that the page was put away with: its transaction is dead, and its alarm sleeps.
      const transaction = Object.getOwnPropertyDescriptor(IDBDatabase.prototype, 'transaction')!;
      const set = window.setTimeout.bind(window);
      IDBDatabase.prototype.transaction = () => ({ objectStore: () => ({ get: () => ({}) }) }) as never;
      window.setTimeout = (() => 0) as never;
      window.dispatchEvent(new Event('focus'));
      await Promise.resolve();
      Object.defineProperty(IDBDatabase.prototype, 'transaction', transaction);
      window.setTimeout = set;
      // Elsewhere the session ends, which a page that sleeps isn't told.
      await new Promise((resolve) => {
        const opening = indexedDB.open('carelink-tokens:/account/token/refresh/');
        opening.onsuccess = () => {
          const store = opening.result.transaction('sessions', 'readwrite').objectStore('sessions');
          store.put({ generation: Number.MAX_SAFE_INTEGER, atMs: Date.now() }, session).onsuccess = resolve;
        };
      });
      // The page's own listener, which sends at once.
      const sent = new Promise<unknown>((resolve) =>
        addEventListener('pageshow', () => resolve(window.fire(1)), { once: true }),
      );
      window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
      return [await sent, window.manager.getSnapshot().status];
    });
    expect(after).toEqual([[['SIGNED_OUT', '']], 'signedOut']);
    await tabs.context.close();
  });
});

describe.skipIf(found.chromium === undefined || found.postgres === undefined)(
  'refreshes in the background',
  () => {
    const world = clientWorld();

    /** Signed here, for the server's tokens have an iat. */
    function withoutIat(userId: unknown, lifeSeconds: number): string {
      const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
      const exp = Math.floor(Date.now() / 1000) + lifeSeconds;
      const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ token_type: 'access', exp, user_id: userId })}`;
      return `${text}.${createHmac('sha256', TEST_SIGNING_KEY).update(text).digest('base64url')}`;
    }

    it.each([
      [
        'the clock is ahead by more than a token lives, and the server does not show its own',
        'skew=3600000&lacks=date',
      ],
      ['tokens are short and have no iat', ''],
    ])('have a least interval where %s', async (_, query) => {
      const tabs = await world.tabs('memory', 1, `background=1&${query}`);
      const [page] = tabs.pages as [Page];
      const site = world.site('memory');
      const who = await login(world, 'memory', tabs);
      const lifeMs = 10_000;
      if (query === '') site.fate = () => ({ access: withoutIat(who.minted.userId, lifeMs / 1_000) });
      // On a machine so slow that a short token expires meanwhile nothing is seen, and it is looked at once more.
      for (let tookMs = Infinity; tookMs >= lifeMs;) {
        const begun = Date.now();
        await page.evaluate(() => window.manager.refreshAccessToken());
        // So that it looks now, and not at its next tick.
        await page.evaluate(() => window.dispatchEvent(new Event('focus')));
        site.refreshes = 0;
        await pause(4_000);
        // Neither does each request make one.
        const answers: unknown[] = [];
        for (let n = 0; n < 3; n++)
          answers.push(await page.evaluate(async () => (await window.fire(1))[0]![0]));
        tookMs = query === '' ? Date.now() - begun + 1_000 : 0;
        if (tookMs < lifeMs) expect([answers, site.refreshes]).toEqual([[200, 200, 200], 0]);
      }
      site.fate = () => 'pass';
      await tabs.context.close();
    });

    it('two managers over one worker: each token goes to its own endpoint', async () => {
      const site = world.site('memory');
      for (let n = 0; n < TIMES; n++) {
        const tabs = await world.tabs('memory', 1, 'worker=1&background=1');
        const [page] = tabs.pages as [Page];
        const who = await login(world, 'memory', tabs, 100);
        const { token } = mintRefresh({ userId: 1, tokenType: 'access', lifetimeSeconds: 100 });
        site.elsewhere.length = 0;
        await page.evaluate(async (access) => {
          const Manager = window.manager.constructor as typeof TokenManager;
          const serviceWorker = window.worker('/account/token/client/service-worker.js');
          const second = new Manager({ refreshUrl: '/other/token/refresh/', serviceWorker });
          await second.ready;
          await second.setTokens({ access, refresh: 'the second one' });
          await new Promise((resolve) => setTimeout(resolve, 500));
          // The time of both has come, as far as this page knows; for the worker it has from the beginning.
          const now = Date.now.bind(Date);
          Date.now = () => now() + 99_000;
          window.dispatchEvent(new Event('focus'));
        }, token);
        await page.waitForFunction(() => window.manager.getSnapshot().generation === 1);
        await until(() => site.elsewhere.length > 0);
        const sent = site.elsewhere.map((body) => (JSON.parse(body) as { refresh: string }).refresh);
        expect(new Set(sent)).toEqual(new Set(['the second one']));
        expect(await liveTokens(world, who)).toBe(1);
        await tabs.context.close();
      }
    });
  },
);

declare global {
  interface Window {
    /** The maker of a manager's option `serviceWorker`. */
    worker: (url: string) => never;
  }
}
