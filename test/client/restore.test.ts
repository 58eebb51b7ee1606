import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { clientWorld, gate, login, rotations, until, type Outcome } from './support/world.js';

/** A new manager, as a reload makes one, and that many requests before it knows whether anybody is signed in. */
async function reloadAndSend(page: Page, count: number): Promise<void> {
  await page.evaluate((n) => {
    void window.make();
    window.outcomes = window.fire(n).then((answers) => answers.map(([status]) => status));
  }, count);
}

const outcomes = (page: Page): Promise<Outcome[]> => page.evaluate(() => window.outcomes);
const status = (page: Page): Promise<string> => page.evaluate(() => window.manager.getSnapshot().status);

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)(
  'while a session is restored',
  () => {
    const world = clientWorld();

    it.each(['memory', 'session', 'cookie'] as const)(
      '%s: requests wait for it and are answered, with one refresh for all',
      async (mode) => {
        const tabs = await world.tabs(mode, 2);
        const who = await login(world, mode, tabs);
        const before = await rotations(world, who);
        const page = tabs.pages[1]!;
        await reloadAndSend(page, 10);
        expect(await outcomes(page)).toEqual(Array.from({ length: 10 }, () => 200));
        expect(await rotations(world, who)).toBe(before + 1);
        await tabs.context.close();
      },
    );

    it('there is no token yet, and a refresh that is asked for waits for it', async () => {
      const tabs = await world.tabs('memory', 2);
      await login(world, 'memory', tabs);
      const [early, token, late] = await tabs.pages[1]!.evaluate(async () => {
        void window.make();
        const none = window.manager.getAccessToken();
        return [none, await window.manager.refreshAccessToken(), window.manager.getAccessToken()];
      });
      expect([early, token]).toEqual([undefined, late]);
      expect(token).toMatch(/^ey/);
      await tabs.context.close();
    });

    it('an abort takes away its own caller only, and leaves room in the queue', async () => {
      const tabs = await world.tabs('cookie', 1, 'queue=8');
      const [page] = tabs.pages;
      await login(world, 'cookie', tabs);
      const site = world.site('cookie');
      const held = gate();
      site.fate = () => ({ until: held.opened, hold: 'before' });
      const aborted = await page!.evaluate(async () => {
        void window.make();
        const aborts = Array.from({ length: 8 }, () => new AbortController());
        const code = (error: unknown): string =>
          error instanceof DOMException ? error.name : (error as { code: string }).code;
        const send = (signal?: AbortSignal): Promise<Outcome> =>
          window.manager.authenticatedFetch('/api/x', signal ? { signal } : {}).then((r) => r.status, code);
        const sent = aborts.map(({ signal }) => send(signal));
        for (const one of aborts.slice(0, 4)) one.abort();
        const gone = await Promise.all(sent.slice(0, 4));
        window.outcomes = Promise.all([...sent.slice(4), ...gone.map(() => send()), send()]);
        return gone;
      });
      expect(aborted).toEqual(Array.from({ length: 4 }, () => 'AbortError'));
      expect(await status(page!)).toBe('restoring');
      held.open();
      expect(await outcomes(page!)).toEqual([...Array.from({ length: 8 }, () => 200), 'QUEUE_FULL']);
      expect(site.refreshes).toBe(1);
      site.fate = () => 'pass';
      await tabs.context.close();
    });

    it('a request gives up when its time is over, though the restoring goes on, and it succeeds', async () => {
      const tabs = await world.tabs('cookie', 1, 'wait=1000');
      const [page] = tabs.pages;
      const who = await login(world, 'cookie', tabs);
      const site = world.site('cookie');
      const held = gate();
      site.fate = () => ({ until: held.opened, hold: 'before' });
      await reloadAndSend(page!, 3);
      expect(await outcomes(page!)).toEqual(['UNAVAILABLE', 'UNAVAILABLE', 'UNAVAILABLE']);
      expect(await status(page!)).toBe('restoring');
      held.open();
      await page!.evaluate(() => window.manager.ready);
      expect(await page!.evaluate(() => window.fire(1))).toEqual([[200, who.user]]);
      site.fate = () => 'pass';
      await tabs.context.close();
    });

    it('the waiting for it and for the refresh after it have one bound together', async () => {
      const tabs = await world.tabs('cookie', 1, 'wait=2000');
      const [page] = tabs.pages;
      await login(world, 'cookie', tabs);
      const site = world.site('cookie');
      const held = gate();
      site.fate = (n) => (n === 0 ? { status: 404 } : { until: held.opened, hold: 'before' });
      await reloadAndSend(page!, 1);
      // A request that waited anew from the end of the restoring on would be later than this alarm, by 100 ms.
      const first = await page!.evaluate(async () => {
        await window.manager.ready;
        const alarm = new Promise((resolve) => setTimeout(() => resolve('the alarm'), 1_900));
        return Promise.race([window.outcomes, alarm]);
      });
      expect(first).toEqual(['UNAVAILABLE']);
      held.open();
      site.fate = () => 'pass';
      await tabs.context.close();
    });

    it('a request is not sent as the user who logs in meanwhile', async () => {
      const tabs = await world.tabs('cookie', 1);
      const [page] = tabs.pages;
      await login(world, 'cookie', tabs);
      const site = world.site('cookie');
      const held = gate();
      site.fate = () => ({ until: held.opened, hold: 'after' });
      await reloadAndSend(page!, 3);
      await until(() => site.refreshes === 1);
      await login(world, 'cookie', tabs);
      held.open();
      expect(await outcomes(page!)).toEqual(['SIGNED_OUT', 'SIGNED_OUT', 'SIGNED_OUT']);
      expect(await status(page!)).toBe('signedIn');
      site.fate = () => 'pass';
      await tabs.context.close();
    });

    it.each(['memory', 'session', 'cookie'] as const)('%s: a log-out ends it', async (mode) => {
      const tabs = await world.tabs(mode, 2);
      await login(world, mode, tabs, 900);
      const page = tabs.pages[1]!;
      await reloadAndSend(page, 3);
      expect(await page.evaluate(() => window.manager.logout())).toBe(true);
      await page.evaluate(() => window.manager.ready);
      for (const one of tabs.pages)
        await one.waitForFunction(() => window.manager.getSnapshot().status === 'signedOut');
      await tabs.context.close();
    });

    it('tokens that another tab sent before it heard of a log-out come too late', async () => {
      const tabs = await world.tabs('memory', 1);
      const [page] = tabs.pages;
      await login(world, 'memory', tabs, 900);
      const after = await page!.evaluate(async () => {
        const { session, generation } = window.manager.getSnapshot();
        const access = window.manager.getAccessToken();
        // Another tab, as far as this one can tell.
        const other = new BroadcastChannel('carelink-tokens:/account/token/refresh/');
        other.onmessage = ({ data }: MessageEvent<{ kind: string }>) => {
          if (data.kind !== 'ask') return;
          other.postMessage({ kind: 'end', id: session });
          other.postMessage({ kind: 'session', session: { id: session, generation, access, skewMs: 0 } });
        };
        await window.make();
        other.close();
        return window.manager.getSnapshot().status;
      });
      expect(after).toBe('signedOut');
      await tabs.context.close();
    });

    it('a first refresh that failed is not the last: a tab that nobody asks gets its tokens, too', async () => {
      const tabs = await world.tabs('cookie', 1, 'background=1');
      const [page] = tabs.pages;
      await login(world, 'cookie', tabs);
      const site = world.site('cookie');
      site.fate = (n) => (n === 0 ? { status: 404 } : 'pass');
      await page!.evaluate(() => window.make());
      await page!.waitForFunction(() => window.manager.getSnapshot().status === 'signedIn');
      site.fate = () => 'pass';
      await tabs.context.close();
    });
  },
);
