/** Options as people write them, and browsers that refuse what others have. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { allAnswered, clientWorld, liveTokens, login, MODES, until } from './support/world.js';

const options = (given: object): string => `options=${encodeURIComponent(JSON.stringify(given))}`;

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('a manager', () => {
  const world = clientWorld();

  it.each([
    ['a refreshUrl without its last slash', { refreshUrl: '/account/token/refresh' }],
    [
      'a logoutUrl',
      { refreshUrl: '/account/token/refresh/', logoutUrl: '/account/token/blacklist/?from=here' },
    ],
  ])('logs out at the right place with %s', async (_, given) => {
    const tabs = await world.tabs('memory', 1, options(given));
    const [page] = tabs.pages as [Page];
    const who = await login(world, 'memory', tabs, 900);
    const sent = page.waitForRequest('**/blacklist/**');
    expect(await page.evaluate(() => window.manager.logout())).toBe(true);
    expect((await sent).url()).toBe(
      `${world.site('memory').url}${'logoutUrl' in given ? given.logoutUrl : '/account/token/blacklist/'}`,
    );
    expect(await liveTokens(world, who)).toBe(0);
    await tabs.context.close();
  });

  it('sends to allowed origins however they are written, and to no other', async () => {
    const { port } = new URL(world.site('cookie').url);
    const tabs = await world.tabs(
      'memory',
      1,
      options({ allowedOrigins: [`HTTP://LocalHost:${port}/`, 'https://api.example/v1'] }),
    );
    const [page] = tabs.pages as [Page];
    await login(world, 'memory', tabs, 900);
    const codes = await page.evaluate(
      (urls) =>
        Promise.all(
          urls.map((url) => window.manager.authenticatedFetch(url).catch((error: unknown) => String(error))),
        ).then((all) => all.map(String)),
      [`http://localhost:${port}/api/x`, 'https://api.example/x', 'https://api.example:444/x'],
    );
    // The first two were sent, and are refused by CORS, or by the net.
    expect(codes).toEqual([
      'TypeError: Failed to fetch',
      'TypeError: Failed to fetch',
      'TokenError: ORIGIN_NOT_ALLOWED https://api.example:444',
    ]);
    await tabs.context.close();
  });

  it('gives members that need not be called on it', async () => {
    const tabs = await world.tabs('memory', 1);
    await login(world, 'memory', tabs, 900);
    const status = await tabs.pages[0]!.evaluate(async () => {
      const { authenticatedFetch, getAccessToken, getSnapshot, logout } = window.manager;
      return [
        (await authenticatedFetch('/api/x')).status,
        typeof getAccessToken(),
        await logout(),
        getSnapshot().status,
      ];
    });
    expect(status).toEqual([200, 'string', true, 'signedOut']);
    await tabs.context.close();
  });

  it('does without a BroadcastChannel that is refused', async () => {
    const tabs = await world.tabs('session', 1, 'lacks=channel&background=1');
    const who = await login(world, 'session', tabs);
    await allAnswered(tabs, who);
    await tabs.context.close();
  });

  it('can be made in a frame that has no origin, with everything refused', async () => {
    const tabs = await world.tabs('memory', 1);
    const [page] = tabs.pages as [Page];
    const source = await page.evaluate(async () => {
      const text = async (name: string): Promise<string> =>
        (await fetch(`/account/token/client/${name}.js`)).text();
      return Promise.all(['token-manager', 'idle', 'worker'].map(text));
    });
    await page.evaluate(() => {
      const frame = document.createElement('iframe');
      frame.sandbox.add('allow-scripts');
      frame.srcdoc = 'without an origin';
      document.body.append(frame);
    });
    await until(() => page.frames().length > 1);
    const frame = page.frames()[1]!;
    for (const storage of MODES) {
      // A text, for what is compiled has its imports replaced.
      const made = await frame.evaluate(`(async () => {
        const load = (code) => import('data:text/javascript,' + encodeURIComponent(code));
        const [{ TokenManager }, { idleLogOff }, { refreshWorker }] =
          await Promise.all(${JSON.stringify(source)}.map(load));
        const manager = new TokenManager({
          storage: '${storage}', refreshUrl: 'https://app.example/account/token/refresh/',
          idle: idleLogOff({ after: '15m' }), serviceWorker: refreshWorker('/service-worker.js') });
        await manager.ready;
        return manager.getSnapshot().status;
      })()`);
      expect(made).toBe('signedOut');
    }
    await tabs.context.close();
  });

  it('lets go of its database for whoever deletes it, or makes its next version; and goes on', async () => {
    const tabs = await world.tabs('memory', 1, 'background=1');
    const [page] = tabs.pages as [Page];
    const who = await login(world, 'memory', tabs);
    const done = await page.evaluate(async () => {
      const name = 'carelink-tokens:/account/token/refresh/';
      const end = (request: IDBOpenDBRequest): Promise<string> =>
        new Promise((resolve) => {
          request.onsuccess = () => resolve('done');
          request.onerror = () => resolve('failed');
          request.onblocked = () => resolve('blocked');
        });
      const deleted = await end(indexedDB.deleteDatabase(name));
      const first = (await window.fire(1))[0]![0];
      const upgraded = await end(indexedDB.open(name, 2));
      await window.manager.refreshAccessToken();
      return [deleted, first, upgraded, (await window.fire(1))[0]![0]];
    });
    expect(done).toEqual(['done', 200, 'done', 200]);
    expect(await page.evaluate(() => String(window.manager.getSnapshot().userId))).toBe(who.user);
    await tabs.context.close();
  });
});
