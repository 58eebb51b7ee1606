import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { allAnswered, clientWorld, login, MODES, until } from './support/world.js';

/** Of an access token. Shorter than it takes to fall asleep is no harm: then it has expired before. */
const LIFE_SECONDS = 3;

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('a tab that sleeps', () => {
  const world = clientWorld();

  it.each(MODES)(
    '%s: frozen until its token has expired, it refreshes before its first request',
    async (mode) => {
      const tabs = await world.tabs(mode, 1);
      const from = Date.now();
      const who = await login(world, mode, tabs, LIFE_SECONDS);
      const cdp = await tabs.context.newCDPSession(tabs.pages[0]!);
      await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
      await until(() => Date.now() > from + LIFE_SECONDS * 1000);
      await cdp.send('Page.setWebLifecycleState', { state: 'active' });
      await allAnswered(tabs, who);
      expect([world.site(mode).refreshes, world.site(mode).refused]).toEqual([1, 0]);
      await tabs.context.close();
    },
  );

  it.each(MODES)(
    '%s: back from the back-forward cache, it refreshes what has expired meanwhile',
    async (mode) => {
      const tabs = await world.tabs(mode, 1, 'background=1');
      const page = tabs.pages[0]!;
      const from = Date.now();
      const who = await login(world, mode, tabs, LIFE_SECONDS);
      await page.goto('about:blank');
      const before = world.site(mode).refreshes;
      await until(() => Date.now() > from + LIFE_SECONDS * 1000);
      await page.goBack({ waitUntil: 'commit' });
      await page.waitForFunction(() => window.persisted === true);
      // By itself, without a request.
      await page.waitForFunction(() => !window.manager.isTokenExpired());
      await allAnswered(tabs, who);
      expect([world.site(mode).refreshes, world.site(mode).refused]).toEqual([before + 1, 0]);
      await tabs.context.close();
    },
  );
});
