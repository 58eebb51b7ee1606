/** Whether a browser that was closed remembers its user. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
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
        const context = await chromium.launchPersistentContext(profile, {
          executablePath: found.chromium!,
          args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
        });
        const page = await context.newPage();
        await page.goto(`${site.url}/?storage=cookie`);
        await page.waitForFunction(() => window.up === true);
        return { context, page };
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
  },
);
