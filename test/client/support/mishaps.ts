import { expect } from 'vitest';
import type { Tab } from './engines/engine.js';
import { gate, until, type EngineWorld, type Login, type Mode, type OpenTabs } from './world.js';

declare global {
  interface Window {
    /** What has come of the requests that a page sent when it was shown again. */
    shown?: Promise<[number | string, string][]>;
  }
}

/** Takes the network away from all tabs, until the function that is returned is called. */
export async function offline(
  world: EngineWorld,
  mode: Mode,
  { context, pages }: OpenTabs,
): Promise<() => Promise<void>> {
  const site = world.site(mode);
  site.down = true;
  await context.setOffline?.(true);
  return async () => {
    site.down = false;
    if (context.setOffline) return context.setOffline(false);
    // What the browser would say.
    for (const page of pages)
      await page.evaluate(() => void window.dispatchEvent(new Event('online'))).catch(() => undefined);
  };
}

/** Stops a tab in the middle of what it does, until the function that is returned is called. */
export async function freeze(world: EngineWorld, mode: Mode, tab: Tab): Promise<() => Promise<void>> {
  if (world.engine.freeze) return world.engine.freeze(tab);
  const site = world.site(mode);
  const held = gate();
  site.release = held.opened;
  const { holding } = site;
  await tab.evaluate(() => {
    // A request that blocks the page and all of its timers.
    const blocking = new XMLHttpRequest();
    blocking.open('GET', '/api/held/head', false);
    setTimeout(() => blocking.send());
  });
  await until(() => site.holding > holding);
  return () => {
    held.open();
    return Promise.resolve();
  };
}

/** Another tab, which is closed by the test or with the profile. */
export async function openTab(world: EngineWorld, mode: Mode, { context }: OpenTabs): Promise<Tab> {
  const tab = await context.newPage();
  await load(world, mode, { context }, tab);
  return tab;
}

export async function load(
  world: EngineWorld,
  mode: Mode,
  { context }: Pick<OpenTabs, 'context'>,
  tab: Tab,
): Promise<void> {
  await tab.goto(`${world.url(mode, context)}/?storage=${mode}`);
  await tab.waitForFunction(() => window.up === true);
}

/** To a page that doesn't know of the client. */
export async function leave(tab: Tab): Promise<void> {
  await tab
    .evaluate(() => {
      location.assign('/away');
    })
    .catch(() => undefined);
  await tab.waitForFunction(() => location.pathname === '/away' && document.readyState === 'complete');
}

/**
 * The same in the moment in which the page that is left looks what became of its session. When it is shown again it sends, before
 * anybody can have told it something.
 */
export async function leaveLooking(tab: Tab): Promise<void> {
  await tab.evaluate(() => {
    window.shown = new Promise((resolve) =>
      addEventListener('pageshow', () => resolve(window.fire(3)), { once: true }),
    );
    addEventListener('pagehide', () => window.dispatchEvent(new Event('focus')), { once: true });
  });
  await leave(tab);
}

/** Back again. What has come of what it sent then, or where it was loaded anew of what it sends; and whose it says it is. */
export async function back(
  tab: Tab,
): Promise<{ answers: [number | string, string][]; user: string | undefined }> {
  await tab.evaluate(() => void setTimeout(() => history.back())).catch(() => undefined);
  await tab.waitForFunction(() => location.pathname === '/' && window.up === true);
  const answers = await tab.evaluate(async () => (await window.shown) ?? window.fire(3));
  return {
    answers,
    user: await tab.evaluate(() => window.manager.getSnapshot().userId as string | undefined),
  };
}

/** Fires requests whose headers, or the rest of whose body, come when the site's gate opens; they are waited for by expectNoneLate(). */
export async function sendLate(tab: Tab): Promise<void> {
  await tab.evaluate(async () => {
    const code = (error: unknown): string => {
      const { code: ours, name } = error as { code?: unknown; name: string };
      return typeof ours === 'string' ? ours : name;
    };
    // Firefox keeps the second of two tabs that ask for the same waiting until the first one's answer is in its cache.
    const cache = 'no-store';
    const head = window.manager.authenticatedFetch('/api/held/head', { cache }).then((r) => r.text());
    const body = await window.manager.authenticatedFetch('/api/held/body', { cache });
    const reader = body.body!.getReader();
    await reader.read();
    const rest = reader.read().then(({ value }) => new TextDecoder().decode(value));
    window.late = Promise.all([head, rest].map((one) => one.catch(code)));
  });
}

/**
 * The rest of two bodies, one of a request that has a signal of its own. Nothing but the reading is held on to, and what isn't is
 * collected.
 */
export async function sendLateAndCollect(tab: Tab): Promise<void> {
  await tab.evaluate(async () => {
    const { signal } = new AbortController();
    const inits: RequestInit[] = [{ cache: 'no-store' }, { cache: 'no-store', signal }];
    const answers = await Promise.all(
      inits.map((init) => window.manager.authenticatedFetch('/api/held/body', init)),
    );
    window.late = Promise.all(answers.map((answer) => answer.text().catch(() => 'nothing')));
    answers.length = 0;
    // No page can ask for a collection; this much garbage makes one due.
    for (let n = 0; n < 10; n++) {
      window.garbage = Array.from({ length: 100_000 }, (_, i) => ({ text: `${n} ${i}` }));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    window.garbage = undefined;
  });
}

/** Neither arrives. */
export async function expectNoneLate({ engine }: EngineWorld, tab: Tab): Promise<void> {
  const late = await tab.evaluate(() => window.late);
  expect(late).toEqual(['SIGNED_OUT', engine.saysWhyAborted ? 'SIGNED_OUT' : 'AbortError']);
}

export const statusOf = (tab: Tab): Promise<string> =>
  tab.evaluate(() => window.manager.getSnapshot().status);

export async function allOut(pages: readonly Tab[]): Promise<void> {
  for (const page of pages)
    await page.waitForFunction(() => window.manager.getSnapshot().status === 'signedOut');
}

/** A session's generation as all tabs see it. */
export const writtenGeneration = (tab: Tab, session: string): Promise<number> =>
  tab.evaluate(
    (id) =>
      new Promise<number>((resolve) => {
        const opening = indexedDB.open('carelink-tokens:/account/token/refresh/');
        opening.onsuccess = () => {
          const store = opening.result.transaction('sessions', 'readwrite').objectStore('sessions');
          const reading = store.get(id) as IDBRequest<{ generation: number }>;
          reading.onsuccess = () => {
            opening.result.close();
            resolve(reading.result.generation);
          };
        };
      }),
    session,
  );

/** No page's storage holds a token of this user, once the debt of a log-out is paid. */
export async function gone(pages: readonly Tab[], { user }: Login): Promise<void> {
  for (const page of pages) {
    await page.evaluate(() => void window.dispatchEvent(new Event('focus')));
    await until(async () => !(await usersInStorage(page)).includes(user));
  }
}

/** Every user's tokens that the pages' storage holds. */
async function usersInStorage(tab: Tab): Promise<string[]> {
  const text = await tab.evaluate(async () => {
    const all: unknown[] = [Object.entries(localStorage), Object.entries(sessionStorage)];
    for (const { name } of await indexedDB.databases())
      await new Promise<void>((resolve) => {
        const opening = indexedDB.open(name!);
        opening.onsuccess = () => {
          const database = opening.result;
          const stores = [...database.objectStoreNames];
          const transaction = database.transaction(stores);
          for (const store of stores) {
            const reading = transaction.objectStore(store).getAll();
            reading.onsuccess = () => all.push(reading.result);
          }
          transaction.oncomplete = () => {
            database.close();
            resolve();
          };
        };
      });
    return JSON.stringify(all);
  });
  expect(text).toContain('generation');
  return [...text.matchAll(/ey[\w-]+\.(ey[\w-]+)\.[\w-]+/g)].map(([, claims]) =>
    String((JSON.parse(Buffer.from(claims!, 'base64url').toString()) as { user_id: unknown }).user_id),
  );
}
