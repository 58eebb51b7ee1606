/** What session-ends.ts can't show in every engine, of what must be over when a session is. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';
import { clientWorld, gate, liveTokens, login, MODES, until } from './support/world.js';

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('the end of a session', () => {
  const world = clientWorld();

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
