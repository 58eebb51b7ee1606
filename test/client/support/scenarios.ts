import { expect } from 'vitest';
import { freeze, offline } from './mishaps.js';
import type { Scenario } from './scenario.js';
import type { Site } from './site.js';
import {
  gate,
  liveTokens,
  login,
  rotations,
  until,
  type EngineWorld,
  type Login,
  type Mode,
  type OpenTabs,
} from './world.js';

const NO_KILLING = 'its WebDriver can not kill a service worker';

/** Requests a tab. */
const EACH = 10;

function fireAll({ pages }: OpenTabs, from = 0): Promise<[number | string, string][]> {
  const fired = pages.slice(from).map((page) => page.evaluate((count) => window.fire(count), EACH));
  return Promise.all(fired).then((answers) => answers.flat());
}

/** Every request went through as that user, one rotation was made, and every tab is still signed in. */
async function allWell(
  world: EngineWorld,
  tabs: OpenTabs,
  who: Login,
  answers: [number | string, string][],
  before: number,
): Promise<void> {
  expect(answers).toEqual(Array.from({ length: answers.length }, () => [200, who.user]));
  expect(await rotations(world, who)).toBe(before + 1);
  for (const page of tabs.pages) {
    const { status, userId } = await page.evaluate(() => window.manager.getSnapshot());
    expect([status, String(userId)]).toEqual(['signedIn', who.user]);
  }
}

async function logoutAll({ pages }: OpenTabs): Promise<void> {
  expect(await pages[0]!.evaluate(() => window.manager.logout())).toBe(true);
  for (const page of pages) {
    await page.waitForFunction(() => window.manager.getSnapshot().status === 'signedOut');
  }
}

/** One refresh meets `fate`; all others pass. */
function storm(fate: Site['fate']) {
  return async (world: EngineWorld, mode: Mode, tabs: OpenTabs): Promise<void> => {
    const who = await login(world, mode, tabs);
    const before = await rotations(world, who);
    world.site(mode).fate = fate;
    const answers = await fireAll(tabs);
    world.site(mode).fate = () => 'pass';
    await allWell(world, tabs, who, answers, before);
    await logoutAll(tabs);
    expect(await liveTokens(world, who)).toBe(0);
  };
}

/** Asks the worker, as the alarm of a page does. */
async function askWorker(tabs: OpenTabs, mode: Mode, who: Login): Promise<void> {
  await tabs.pages[0]!.evaluate(
    async ([refreshToken]) => {
      const registration = (await navigator.serviceWorker.getRegistrations())[0]!;
      await new Promise<void>((resolve) => {
        const look = (): void => {
          if (registration.active === null) setTimeout(look, 10);
          else resolve();
        };
        look();
      });
      const { session, generation } = window.manager.getSnapshot();
      const message = {
        type: 'SCHEDULE_TOKEN_REFRESH',
        refreshToken,
        expirationTime: 0,
        session,
        generation,
      };
      registration.active!.postMessage(message);
    },
    [mode === 'cookie' ? undefined : who.minted.token] as const,
  );
}

export const MISHAPS: readonly Scenario[] = [
  { name: 'at expiry', run: storm(() => 'pass') },
  { name: 'a 429', run: storm((n) => (n === 0 ? { status: 429, retryAfter: '1' } : 'pass')) },
  { name: 'a 503', run: storm((n) => (n === 0 ? { status: 503, retryAfter: '1' } : 'pass')) },
  { name: 'an answer that is lost', run: storm((n) => (n === 0 ? 'lose' : 'pass')) },
  {
    name: 'clocks off by 10 minutes',
    query: (n) => `skew=${n % 2 === 0 ? 600_000 : -600_000}`,
    run: storm(() => 'pass'),
  },
  {
    name: 'offline and back',
    async run(world, mode, tabs) {
      const who = await login(world, mode, tabs);
      const before = await rotations(world, who);
      const site = world.site(mode);
      site.fate = () => 'drop';
      const back = await offline(world, mode, tabs);
      const answers = fireAll(tabs);
      await tabs.pages[0]!.waitForFunction(() => window.events.some(([name]) => name === 'failed'));
      await back();
      // Tabs come back one after another; a request of one that is still offline would fail as any fetch does.
      site.fate = () => 'pass';
      await allWell(world, tabs, who, await answers, before);
      await logoutAll(tabs);
    },
  },
  {
    name: 'a frozen tab that holds the lock',
    async run(world, mode, tabs) {
      const who = await login(world, mode, tabs);
      const before = await rotations(world, who);
      const held = gate();
      const site = world.site(mode);
      site.fate = (n) => (n === 0 ? { until: held.opened, hold: 'before' } : 'pass');
      const first = tabs.pages[0]!.evaluate((count) => window.fire(count), EACH);
      await until(() => site.refreshes === 1);
      const thaw = await freeze(world, mode, tabs.pages[0]!);
      const answers = await fireAll(tabs, 1);
      held.open();
      await thaw();
      await allWell(world, tabs, who, [...answers, ...(await first)], before);
      site.fate = () => 'pass';
      await logoutAll(tabs);
    },
  },
  ...(['before', 'after'] as const).map((hold): Scenario => ({
    name: `the worker killed in mid-refresh, ${hold} the server rotated`,
    query: () => 'worker=1',
    lacks: { Firefox: NO_KILLING, WebKit: NO_KILLING },
    async run(world, mode, tabs) {
      const who = await login(world, mode, tabs);
      const before = await rotations(world, who);
      const held = gate();
      const site = world.site(mode);
      site.fate = (n) => (n === 0 ? { until: held.opened, hold } : 'pass');
      await askWorker(tabs, mode, who);
      await until(() => site.refreshes === 1);
      if (hold === 'after') await until(async () => (await rotations(world, who)) === before + 1);
      const answers = fireAll(tabs);
      await world.engine.killWorkers!(tabs.pages[0]!);
      await allWell(world, tabs, who, await answers, before);
      held.open();
      site.fate = () => 'pass';
      await logoutAll(tabs);
    },
  })),
  {
    name: 'a log-out that races a refresh',
    async run(world, mode, tabs) {
      const who = await login(world, mode, tabs);
      const held = gate();
      const site = world.site(mode);
      site.fate = (n) => (n === 0 ? { until: held.opened, hold: 'after' } : 'pass');
      const answers = fireAll(tabs);
      await until(() => site.refreshes === 1);
      const told = tabs.pages.at(-1)!.evaluate(() => window.manager.logout());
      for (const page of tabs.pages) {
        await page.waitForFunction(() => window.manager.getSnapshot().status === 'signedOut');
      }
      held.open();
      expect(await told).toBe(true);
      expect(new Set((await answers).map(([status]) => status))).toEqual(new Set(['SIGNED_OUT']));
      for (const page of tabs.pages)
        expect(await page.evaluate(() => window.manager.getAccessToken())).toBe(undefined);
      await until(async () => (await liveTokens(world, who)) === 0);
      site.fate = () => 'pass';
    },
  },
  {
    name: "one user out and another in while the first one's answers are late",
    query: () => 'worker=1',
    async run(world, mode, tabs) {
      const first = await login(world, mode, tabs);
      const held = gate();
      const site = world.site(mode);
      // The worker's, and those of the tabs that have waited for it in vain.
      site.fate = () => ({ until: held.opened, hold: 'after' });
      await askWorker(tabs, mode, first);
      await until(() => site.refreshes === 1);
      const late = fireAll(tabs);
      await until(() => site.refreshes >= 2);
      site.fate = () => 'pass';
      const told = tabs.pages[0]!.evaluate(() => window.manager.logout());
      for (const page of tabs.pages) {
        await page.waitForFunction(() => window.manager.getSnapshot().status === 'signedOut');
      }
      const second = await login(world, mode, tabs);
      const before = await rotations(world, second);
      held.open();
      const answers = await fireAll(tabs);
      for (const [status] of await late) expect(status).toBe('SIGNED_OUT');
      await told;
      await allWell(world, tabs, second, answers, before);
      await logoutAll(tabs);
      await until(async () => (await liveTokens(world, first)) === 0);
    },
  },
];
