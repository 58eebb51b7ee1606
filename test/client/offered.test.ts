import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken, mintRefresh } from '../support/tokens.js';
import { startSite, type Site } from './support/site.js';

const found = services();
const TURNS = 20;

describe.skipIf(found.chromium === undefined || found.postgres === undefined)(
  'a site that moves to rotation, in Chromium',
  () => {
    const rotation = rotationWorld();
    let server: TestServer;
    let site: Site;
    let browser: Browser;

    beforeAll(async () => {
      server = await startServer({
        databaseUrl: rotation.url,
        args: ['--rotation', 'offered', '--on-reuse', 'revoke-user'],
      });
      site = await startSite(server.url);
      browser = await chromium.launch({ executablePath: found.chromium!, args: ['--no-sandbox'] });
    });
    afterAll(async () => {
      await browser.close();
      await site.close();
      await server.stop();
    });

    /** As it was written for a site without rotation: it keeps the token of its log-in, whatever comes back. */
    const oldClient = (page: Page, token: string) =>
      page.evaluate(async (refresh) => {
        const answer = await fetch('/account/token/refresh/', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ refresh }),
        });
        return [answer.status, Object.keys((await answer.json()) as object)] as const;
      }, token);

    const twoTabs = async () => {
      const context = await browser.newContext();
      const [old, modern] = [await context.newPage(), await context.newPage()];
      for (const page of [old, modern]) {
        await page.goto(`${site.url}/?storage=memory`);
        await page.waitForFunction(() => window.up === true);
      }
      return { context, old, modern };
    };

    const signIn = (page: Page, userId: number | string, refresh: string, shared = false) => {
      const now = Math.floor(Date.now() / 1000);
      const access = mintRefresh({
        userId,
        tokenType: 'access',
        iatSeconds: now - 900,
        lifetimeSeconds: 899,
      });
      return page.evaluate((pair) => window.manager.setTokens(pair), {
        access: access.token,
        refresh,
        shared,
      });
    };

    const refreshed = (page: Page) =>
      page.evaluate(async () => {
        await window.manager.refreshAccessToken();
        return window.manager.getSnapshot().status;
      });

    const offers = async (client: string) =>
      Number(
        new RegExp(`^carelink_rotation_offers_total\\{client="${client}"\\} (\\d+)`, 'm').exec(
          await (await fetch(`${server.adminUrl}/metrics`)).text(),
        )![1],
      );

    it('keeps an old client and ours signed in, 20 refreshes each, and counts both kinds', async () => {
      const first = await rotation.login();
      const second = await rotation.login({ userId: first.userId });
      const { context, old, modern } = await twoTabs();
      const before = [await offers('ignores'), await offers('accepts')] as const;
      await signIn(modern, first.userId, second.token);
      for (let turn = 0; turn < TURNS; turn++) {
        expect(await oldClient(old, first.token)).toEqual([200, ['access']]);
        expect(await refreshed(modern)).toBe('signedIn');
      }
      expect(await offers('ignores')).toBe(before[0] + TURNS);
      expect(await offers('accepts')).toBeGreaterThanOrEqual(before[1] + TURNS);
      await context.close();
    });

    it('keeps both signed in over the token of one log-in, 20 refreshes each, where ours is told that it is shared', async () => {
      const login = await rotation.login();
      const { context, old, modern } = await twoTabs();
      const before = await offers('ignores');
      await signIn(modern, login.userId, login.token, true);
      for (let turn = 0; turn < TURNS; turn++) {
        expect(await refreshed(modern)).toBe('signedIn');
        expect(await oldClient(old, login.token)).toEqual([200, ['access']]);
      }
      // A tab that joins has it from the first, and knows as much.
      const third = await context.newPage();
      await third.goto(`${site.url}/?storage=memory`);
      await third.waitForFunction(() => window.up === true);
      expect(await refreshed(third)).toBe('signedIn');
      expect(await oldClient(old, login.token)).toEqual([200, ['access']]);
      expect(await offers('ignores')).toBe(before + 2 * TURNS + 2);
      // A log-out ends it for both, and the next log-in is not shared.
      expect(await modern.evaluate(() => window.manager.logout())).toBe(true);
      expect((await oldClient(old, login.token))[0]).toBe(401);
      const next = await rotation.login({ userId: login.userId });
      await signIn(modern, login.userId, next.token);
      expect(await refreshed(modern)).toBe('signedIn');
      expect((await oldClient(old, next.token))[0]).toBe(401);
      const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
      expect(metrics).toContain('carelink_token_reuse_total{kind="late"} 0');
      await context.close();
    });

    it('a shared token is left unspent by the service worker, and after a reload', async () => {
      const login = await rotation.login();
      const context = await browser.newContext();
      const page = await context.newPage();
      const isUp = () => page.waitForFunction(() => window.up === true);
      await page.goto(`${site.url}/?storage=session&worker=1&background`);
      await isUp();
      await page.evaluate(() => navigator.serviceWorker.getRegistration('/account/token/client/').then((r) => new Promise((active) => {
        const look = (): unknown => (r?.active ? active(undefined) : setTimeout(look, 20));
        look();
      }))); // prettier-ignore
      // Only the worker can refresh now.
      await page.evaluate(() => (window.fetch = () => Promise.reject(new Error('not by the page'))));
      await signIn(page, login.userId, login.token, true);
      await page.evaluate(() => void dispatchEvent(new Event('focus')));
      await page.waitForFunction(() => window.manager.getSnapshot().generation === 1);
      await page.reload();
      await isUp();
      expect(await refreshed(page)).toBe('signedIn');
      expect(await page.evaluate(() => window.manager.getSnapshot().generation)).toBe(2);
      expect(await oldClient(page, login.token)).toEqual([200, ['access']]);
      await context.close();
    });

    it('where both share the token of one log-in unknowingly the new one rotates it; the old one is refused, and nobody is accused', async () => {
      const login = await rotation.login();
      const { context, old, modern } = await twoTabs();
      expect(await oldClient(old, login.token)).toEqual([200, ['access']]);
      await signIn(modern, login.userId, login.token);
      for (let turn = 0; turn < TURNS; turn++) {
        expect(await refreshed(modern)).toBe('signedIn');
        expect((await oldClient(old, login.token))[0]).toBe(401);
      }
      const metrics = await (await fetch(`${server.adminUrl}/metrics`)).text();
      expect(metrics).toContain('carelink_token_reuse_total{kind="late"} 0');
      await context.close();
    });

    it('a token that was rotated once is rotated without the header as well', async () => {
      const { token } = await rotation.login();
      const { context, old } = await twoTabs();
      const answer = await fetch(`${server.url}/account/token/refresh/`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-carelink-rotation': 'accepted' },
        body: JSON.stringify({ refresh: token }),
      });
      const { refresh } = (await answer.json()) as { refresh: string };
      expect(decodeToken(refresh).claims['carelink_rotates']).toBe(true);
      expect(await oldClient(old, refresh)).toEqual([200, ['access', 'refresh']]);
      expect((await oldClient(old, refresh))[0]).toBe(401);
      await context.close();
    });
  },
);
