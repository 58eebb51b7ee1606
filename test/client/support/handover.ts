/** Alice goes and Bob comes, in one browser: nothing of hers reaches him, and her refresh token is dead in the end. */
import { expect } from 'vitest';
import type { Tab } from './engines/engine.js';
import {
  allOut, back, expectNoneLate,
  gone, leaveLooking, offline, openTab, sendLate, statusOf,
} from './mishaps.js'; // prettier-ignore
import type { Scenario } from './scenario.js';
import { gate, liveTokens, login, until, type EngineWorld, type Login } from './world.js';

const out = (page: Tab): Promise<boolean> => page.evaluate(() => window.manager.logout());

/** What must hold whatever has happened; afterwards nobody is here. */
async function onlyBob(world: EngineWorld, pages: readonly Tab[], alice: Login, bob: Login): Promise<void> {
  let seen = 0;
  for (const page of pages) {
    const [answers, user] = await page.evaluate(async () => {
      const answered = await window.fire(3);
      return [answered, window.manager.getSnapshot().userId as number | undefined] as const;
    });
    // A tab that was Alice's is nobody's until it is loaded anew.
    const is = (await statusOf(page)) === 'signedIn';
    if (is) seen += 1;
    expect([answers, String(user ?? '')]).toEqual([
      Array.from({ length: 3 }, () => (is ? [200, bob.user] : ['SIGNED_OUT', ''])),
      is ? bob.user : '',
    ]);
  }
  expect(seen).toBeGreaterThan(0);
  await until(async () => (await liveTokens(world, alice)) === 0);
  await gone(pages, alice);
  expect(await liveTokens(world, bob)).toBe(1);
  for (const page of pages) await out(page);
  await allOut(pages);
  await until(async () => (await liveTokens(world, bob)) === 0);
}

export const HANDOVERS: readonly Scenario[] = [
  {
    name: 'Alice out, Bob in: her answers are late',
    tabs: 2,
    async run(world, mode, tabs) {
      const { pages } = tabs;
      const alice = await login(world, mode, tabs);
      const held = gate();
      const site = world.site(mode);
      site.fate = () => ({ until: held.opened, hold: 'after' });
      const late = pages.map((page) => page.evaluate(() => window.fire(3)));
      await until(() => site.refreshes > 0);
      site.fate = () => 'pass';
      const told = out(pages[0]!);
      await allOut(pages);
      const bob = await login(world, mode, tabs, 900);
      held.open();
      for (const answers of await Promise.all(late))
        expect(answers).toEqual(Array.from({ length: 3 }, () => ['SIGNED_OUT', '']));
      await told;
      await onlyBob(world, pages, alice, bob);
    },
  },
  {
    name: 'Alice out, Bob in: her streams go on',
    tabs: 2,
    async run(world, mode, tabs) {
      const { pages } = tabs;
      const alice = await login(world, mode, tabs, 900);
      const held = gate();
      world.site(mode).release = held.opened;
      for (const page of pages) await sendLate(page);
      expect(await out(pages[0]!)).toBe(true);
      await allOut(pages);
      const bob = await login(world, mode, tabs, 900);
      held.open();
      for (const page of pages) await expectNoneLate(world, page);
      await onlyBob(world, pages, alice, bob);
    },
  },
  {
    name: 'Alice out, Bob in: Back to a page of hers',
    tabs: 2,
    async run(world, mode, tabs) {
      const [page, other] = tabs.pages;
      const alice = await login(world, mode, tabs, 900);
      await leaveLooking(page!);
      expect(await out(other!)).toBe(true);
      const bob = await login(world, mode, { pages: [other!] }, 900);
      const { answers, user } = await back(page!);
      // Loaded anew it is Bob's.
      for (const [status, whose] of answers)
        expect([status, whose]).toEqual(status === 200 ? [200, bob.user] : ['SIGNED_OUT', '']);
      expect(String(user)).not.toBe(alice.user);
      await onlyBob(world, tabs.pages, alice, bob);
    },
  },
  {
    name: 'Alice out, Bob in: he logs in in another tab, and she has not logged out',
    tabs: 2,
    async run(world, mode, tabs) {
      const [page, other] = tabs.pages;
      const alice = await login(world, mode, { pages: [page!] }, 900);
      const held = gate();
      world.site(mode).release = held.opened;
      await sendLate(page!);
      const bob = await login(world, mode, { pages: [other!] }, 900);
      await allOut([page!]);
      held.open();
      await expectNoneLate(world, page!);
      // The tab that has her token tells the server when it looks the next time.
      await page!.evaluate(() => void window.dispatchEvent(new Event('focus')));
      await onlyBob(world, tabs.pages, alice, bob);
    },
  },
  {
    name: 'Alice out, Bob in: she logs out without network',
    tabs: 2,
    async run(world, mode, tabs) {
      const { pages } = tabs;
      const alice = await login(world, mode, tabs, 900);
      const online = await offline(world, mode, tabs);
      expect(await out(pages[0]!)).toBe(false);
      await allOut(pages);
      await online();
      const bob = await login(world, mode, tabs, 900);
      await onlyBob(world, pages, alice, bob);
    },
  },
  {
    name: 'Alice out, Bob in: her tab is closed in the same moment',
    tabs: 1,
    async run(world, mode, tabs) {
      const page = await openTab(world, mode, tabs);
      const alice = await login(world, mode, { pages: [page, ...tabs.pages] }, 900);
      await page.evaluate(() => void window.manager.logout());
      await page.close();
      await allOut(tabs.pages);
      const bob = await login(world, mode, tabs, 900);
      await onlyBob(world, tabs.pages, alice, bob);
    },
  },
];
