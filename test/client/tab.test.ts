import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';
import { allAnswered, clientWorld, gate, login, rotations, until } from './support/world.js';

declare global {
  interface Window {
    fired?: Promise<PromiseSettledResult<Response>[]>;
  }
}

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('a tab in Chromium', () => {
  const world = clientWorld();

  it('aborts among 200 requests take away their own callers only, and leave nobody in the queue', async () => {
    const tabs = await world.tabs('memory', 1, 'queue=200');
    const [page] = tabs.pages;
    const who = await login(world, 'memory', tabs);
    const site = world.site('memory');
    const held = gate();
    site.fate = () => ({ until: held.opened, hold: 'before' });
    const gone = await page!.evaluate(async () => {
      const send = (signal?: AbortSignal): Promise<Response> =>
        window.manager.authenticatedFetch('/api/x', signal ? { signal } : {});
      const aborts = Array.from({ length: 200 }, () => new AbortController());
      const sent = aborts.map(({ signal }) => send(signal));
      for (let n = 0; n < 200; n += 4) aborts[n]!.abort();
      // These have gone while the others wait still, so there is room in the queue again.
      const aborted = await Promise.allSettled(sent.filter((_, n) => n % 4 === 0));
      const others = sent.filter((_, n) => n % 4 !== 0);
      window.fired = Promise.allSettled([...others, ...aborted.map(() => send()), send()]);
      return aborted.map((one) => 'reason' in one && (one.reason as Error).name);
    });
    expect(gone).toEqual(Array.from({ length: 50 }, () => 'AbortError'));
    held.open();
    const answers = await page!.evaluate(async () =>
      (await window.fired!).map((one) =>
        'reason' in one ? (one.reason as { code: string }).code : one.value.status,
      ),
    );
    expect(answers).toEqual([...Array.from({ length: 200 }, () => 200), 'QUEUE_FULL']);
    expect([site.refreshes, await rotations(world, who)]).toEqual([1, 1]);
    site.fate = () => 'pass';
    await tabs.context.close();
  });

  it.each(['memory', 'cookie'] as const)(
    'tabs that have waited in vain for the lock of a frozen one (%s) take turns: one of them refreshes for all',
    async (mode) => {
      const tabs = await world.tabs(mode, 5);
      const who = await login(world, mode, tabs);
      const before = await rotations(world, who);
      const site = world.site(mode);
      const [frozen, late] = [gate(), gate()];
      site.fate = (n) => ({ until: n === 0 ? frozen.opened : late.opened, hold: 'before' });
      const [first, ...others] = tabs.pages;
      const answers = [first!.evaluate(() => window.fire(1))];
      await until(() => site.refreshes === 1);
      const cdp = await tabs.context.newCDPSession(first!);
      await cdp.send('Page.setWebLifecycleState', { state: 'frozen' });
      answers.push(...others.map((page) => page.evaluate(() => window.fire(1))));
      // The first of them is not answered before the last has come to its turn, or has gone on without one.
      const standInLine = async (): Promise<number> => {
        const { pending } = await others[0]!.evaluate(() => navigator.locks.query());
        return pending!.filter(({ name }) => name!.endsWith(':late')).length;
      };
      await until(async () => site.refreshes - 2 + (await standInLine()) >= others.length - 1);
      late.open();
      const asked = await Promise.all(answers.slice(1));
      expect(site.refreshes).toBe(2);
      frozen.open();
      await cdp.send('Page.setWebLifecycleState', { state: 'active' });
      expect([...asked, await answers[0]]).toEqual(tabs.pages.map(() => [[200, who.user]]));
      expect(await rotations(world, who)).toBe(before + 1);
      site.fate = () => 'pass';
      await tabs.context.close();
    },
  );

  it.each(['memory', 'cookie'] as const)(
    'without Web Locks (%s) each tab refreshes once at most, and nobody is logged out',
    async (mode) => {
      const tabs = await world.tabs(mode, 3, 'lacks=locks');
      const who = await login(world, mode, tabs);
      await allAnswered(tabs, who);
      expect(world.site(mode).refreshes).toBeLessThanOrEqual(3);
      await tabs.context.close();
    },
  );

  it.each(['denied', 'full', 'indexedDB'])(
    'storage that throws (%s) is done without: tokens are refreshed, and a reload asks the other tab',
    async (lacks) => {
      // Without IndexedDB nothing tells a second tab whom to ask for when it is opened.
      const tabs = await world.tabs('session', lacks === 'indexedDB' ? 1 : 2, `lacks=${lacks}`);
      const who = await login(world, 'session', tabs);
      await allAnswered(tabs, who);
      await tabs.pages.at(-1)!.evaluate(() => window.make());
      await allAnswered(tabs, who);
      expect(await rotations(world, who)).toBe(1);
      await tabs.context.close();
    },
  );

  it.each(['tab', 'worker'] as const)(
    'news from another %s land only as a later generation of this very session, and of its user',
    async (from) => {
      const tabs = await world.tabs('memory', 1, 'worker=1');
      const [page] = tabs.pages;
      const who = await login(world, 'memory', tabs, 600);
      const accessOf = (userId: number | string) =>
        mintRefresh({ userId, tokenType: 'access', lifetimeSeconds: 600 }).token;
      /** Tells the page, and returns whether it goes on with it. */
      const tell = (news: { readonly id?: string; readonly later: number; readonly access: string }) =>
        page!.evaluate(
          async ([sender, { id, later, access }]) => {
            const { session = '', generation } = window.manager.getSnapshot();
            const next = {
              id: id ?? session,
              generation: generation + later,
              access,
              refresh: 'r',
              skewMs: 0,
            };
            if (sender === 'worker') {
              const { id: of, refresh, ...rest } = next;
              const data = { type: 'TOKEN_REFRESHED', session: of, tokens: { access, refresh }, ...rest };
              navigator.serviceWorker.dispatchEvent(new MessageEvent('message', { data }));
            } else {
              const name = 'carelink-tokens:/account/token/refresh/';
              const [mine, witness] = [new BroadcastChannel(name), new BroadcastChannel(name)];
              // It was opened after the manager's own, and hears after it.
              const heard = new Promise((resolve) => witness.addEventListener('message', resolve));
              mine.postMessage({ kind: 'session', session: next });
              await heard;
              mine.close();
              witness.close();
            }
            return window.manager.getAccessToken() === access;
          },
          [from, news] as const,
        );
      const { userId } = who.minted;
      const other = await world.rotation.login();
      expect([
        await tell({ id: 'former', later: 1, access: accessOf(userId) }),
        await tell({ later: 0, access: accessOf(userId) }),
        await tell({ later: 1, access: accessOf(other.userId) }),
        await tell({ later: 1, access: accessOf(userId) }),
      ]).toEqual([false, false, false, true]);
      await tabs.context.close();
    },
  );

  it('the worker refreshes nothing of a generation that is over', async () => {
    const tabs = await world.tabs('cookie', 1, 'worker=1');
    const [page] = tabs.pages;
    await login(world, 'cookie', tabs, 600);
    /** Asks it to refresh these generations, one after the other, and waits for the last one's successor. */
    const ask = (...generations: number[]) =>
      page!.evaluate(async (wanted) => {
        const { active } = await navigator.serviceWorker.getRegistrations().then(async ([registration]) => {
          while (!registration!.active) await new Promise((resolve) => setTimeout(resolve, 10));
          return registration!;
        });
        const { session } = window.manager.getSnapshot();
        const type = 'SCHEDULE_TOKEN_REFRESH';
        for (const generation of wanted)
          active!.postMessage({ type, expirationTime: 0, session, generation });
        while (window.manager.getSnapshot().generation <= wanted.at(-1)!)
          await new Promise((resolve) => setTimeout(resolve, 10));
      }, generations);
    const { generation } = await page!.evaluate(() => window.manager.getSnapshot());
    await ask(generation);
    await ask(generation, generation + 1);
    expect(world.site('cookie').refreshes).toBe(2);
    await tabs.context.close();
  });
});
