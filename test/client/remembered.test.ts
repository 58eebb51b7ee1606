/** Whether a browser that was closed remembers its user. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { startSite } from './support/site.js';

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)(
  'a browser that is closed',
  () => {
    const rotation = rotationWorld();

    /** A page of that profile, which is kept when its browser is closed. */
    async function openPage(profile: string, url: string) {
      const context = await chromium.launchPersistentContext(profile, {
        executablePath: found.chromium!,
        args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
      });
      const page = await context.newPage();
      await page.goto(url);
      return { context, page };
    }

    it.each([
      ['token', 'signedIn'],
      ['session', 'signedOut'],
    ])('with --cookie-lifetime %s: opened again, it is %s', async (lifetime, status) => {
      const server = await startServer({
        databaseUrl: rotation.url,
        args: ['--refresh-cookie', '--cookie-lifetime', lifetime],
      });
      const site = await startSite(server.url);
      const profile = mkdtempSync(join(tmpdir(), 'carelink-profile-'));
      const open = async () => {
        const opened = await openPage(profile, `${site.url}/?storage=cookie`);
        await opened.page.waitForFunction(() => window.up === true);
        return opened;
      };
      try {
        const first = await open();
        const { token } = await rotation.login();
        await first.page.evaluate((refresh) => window.manager.setTokens({ access: refresh, refresh }), token);
        // A reload is no closing.
        await first.page.evaluate(() => window.make());
        expect(await first.page.evaluate(() => window.manager.getSnapshot().status)).toBe('signedIn');
        // Chromium writes its cookies down some seconds late, and when it is closed.
        await first.context.close();
        const again = await open();
        await again.page.waitForFunction(() => window.manager.getSnapshot().status !== 'restoring');
        expect(await again.page.evaluate(() => window.manager.getSnapshot().status)).toBe(status);
        await again.context.close();
      } finally {
        rmSync(profile, { recursive: true, force: true });
        await site.close();
        await server.stop();
      }
    });

    it.each([
      ['token', 200, /; expires=[^;]+GMT; HttpOnly; Max-Age=\d+; /],
      ['session', 401, /^[^;]+; HttpOnly; Path=/],
    ])(
      "with dj-rest-auth's cookies and --cookie-lifetime %s: opened again, a refresh is answered %i",
      async (lifetime, status, wanted) => {
        const names = ['--cookie-name', 'refresh', '--access-cookie-name', 'access'];
        const server = await startServer({
          databaseUrl: rotation.url,
          args: ['--cookie-style', 'dj-rest-auth', ...names, '--cookie-lifetime', lifetime],
        });
        const site = await startSite(server.url);
        const profile = mkdtempSync(join(tmpdir(), 'carelink-profile-'));
        const refresh = (page: Page, body: object) =>
          page.evaluate(async (text) => {
            const headers = { 'content-type': 'application/json' };
            return (await fetch('/account/token/refresh/', { method: 'POST', headers, body: text })).status;
          }, JSON.stringify(body));
        try {
          const first = await openPage(profile, site.url);
          const answered = first.page.waitForResponse(/refresh/);
          const { token } = await rotation.login();
          expect(await refresh(first.page, { refresh: token })).toBe(200);
          const set = (await (await answered).headersArray()).filter(({ name }) =>
            /^set-cookie$/i.test(name),
          );
          expect(set.map(({ value }) => [value.split('=')[0], wanted.test(value)])).toEqual([
            ['access', true],
            ['refresh', true],
          ]);
          await first.page.reload();
          expect(await refresh(first.page, {})).toBe(200);
          await first.context.close();
          const again = await openPage(profile, site.url);
          expect(await refresh(again.page, {})).toBe(status);
          await again.context.close();
        } finally {
          rmSync(profile, { recursive: true, force: true });
          await site.close();
          await server.stop();
        }
      },
    );
  },
);
