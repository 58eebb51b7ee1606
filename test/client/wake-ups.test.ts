import { describe, expect, it } from 'vitest';
import { mintRefresh } from '../support/tokens.js';
import { services } from '../support/services.js';
import { allAnswered, clientWorld, login, until } from './support/world.js';

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)(
  'a tab that may have slept',
  () => {
    const world = clientWorld();

    it.each(['visibilitychange', 'pageshow', 'focus', 'online'])(
      'refreshes at %s, if it is time',
      async (name) => {
        const tabs = await world.tabs('memory', 1, 'background=1');
        const [page] = tabs.pages;
        // Alarms sleep, too: only what wakes it up is left.
        await page!.evaluate(() => {
          const set = window.setTimeout.bind(window);
          window.setTimeout = ((run: () => void, ms: number) =>
            ms > 10_000 ? 0 : set(run, ms)) as typeof setTimeout;
          return window.make();
        });
        await login(world, 'memory', tabs, 900);
        await page!.evaluate((event) => {
          const now = Date.now.bind(Date);
          // The last minute: by then every token's moment has come, whichever it is.
          Date.now = () => now() + 850_000;
          const target = event === 'visibilitychange' ? document : window;
          target.dispatchEvent(new Event(event, { bubbles: true }));
        }, name);
        await page!.waitForFunction(() => window.manager.getSnapshot().generation === 1);
        await tabs.context.close();
      },
    );

    it.each([3_600_000, -3_600_000])(
      "with a clock that is off by %i ms it goes by the server's Date",
      async (skew) => {
        const tabs = await world.tabs('memory', 1, `skew=${skew}`);
        const who = await login(world, 'memory', tabs);
        const site = world.site('memory');
        let end = Infinity;
        site.fate = (n) => {
          if (n > 0) return 'pass';
          end = Date.now() + 5_000;
          return {
            access: mintRefresh({ userId: who.minted.userId, tokenType: 'access', lifetimeSeconds: 5 }).token,
          };
        };
        await allAnswered(tabs, who);
        await allAnswered(tabs, who);
        // Neither is a new token taken for an old one, nor an old one for a new one.
        expect(site.refreshes).toBe(1);
        site.refused = 0;
        await until(() => Date.now() > end);
        await allAnswered(tabs, who);
        expect([site.refreshes, site.refused]).toEqual([2, 0]);
        site.fate = () => 'pass';
        await tabs.context.close();
      },
    );
  },
);
