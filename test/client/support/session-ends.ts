/** What must be over when a session is: for the page that loads next, for the server, and for the next user. */
import { expect } from 'vitest';
import type { TokenManager } from '../../../src/client/token-manager.js';
import { mintRefresh } from '../../support/tokens.js';
import {
  allOut, back, expectNoneLate, leave, leaveLooking, load, offline, openTab, sendLate, sendLateAndCollect, statusOf,
  writtenGeneration,
} from './mishaps.js'; // prettier-ignore
import type { Scenario } from './scenario.js';
import { gate, liveTokens, login, until, type Login, type World } from './world.js';

const revoke = (world: World, { minted }: Login): Promise<unknown> =>
  world.rotation.sql(
    `INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)
     SELECT id, now() FROM token_blacklist_outstandingtoken WHERE user_id = $1 ON CONFLICT DO NOTHING`,
    [minted.userId],
  );

const dead = (world: World, who: Login): Promise<void> =>
  until(async () => (await liveTokens(world, who)) === 0);

export const ENDS: readonly Scenario[] = [
  {
    name: 'a session that the server has ended is not tried again by the pages that are loaded next',
    modes: ['cookie'],
    tabs: 1,
    async run(world, mode, tabs) {
      const page = tabs.pages[0]!;
      const site = world.site(mode);
      const who = await login(world, mode, tabs, 900);
      await revoke(world, who);
      // As the log-in page of an app in one shell does: it is loaded when the session is over, and loads the client again.
      await page.evaluate(() => {
        window.up = false;
        window.manager.on('expired', () => location.reload());
        void window.manager.refreshAccessToken().catch(() => undefined);
      });
      await page.waitForFunction(() => window.up === true);
      site.refreshes = 0;
      for (let n = 0; n < 3; n++) {
        await page.reload();
        await page.waitForFunction(() => window.up === true);
        expect(await statusOf(page)).toBe('signedOut');
      }
      expect(site.refreshes).toBe(0);
    },
  },
  {
    name: 'a log-out reaches the server when the page navigates away in the same task',
    tabs: 1,
    async run(world, mode, tabs) {
      const page = tabs.pages[0]!;
      const who = await login(world, mode, tabs, 900);
      await page
        .evaluate(() => {
          void window.manager.logout();
          location.assign('/away');
        })
        .catch(() => undefined);
      await dead(world, who);
      await page.waitForFunction(() => location.pathname === '/away' && document.readyState === 'complete');
      await load(world, mode, tabs, page);
      expect(await statusOf(page)).toBe('signedOut');
    },
  },
  {
    name: 'a log-out reaches the server when the tab is closed in the same moment',
    tabs: 1,
    async run(world, mode, tabs) {
      const page = await openTab(world, mode, tabs);
      const who = await login(world, mode, { pages: [page] }, 900);
      await page.evaluate(() => void window.manager.logout());
      await page.close();
      await dead(world, who);
    },
  },
  {
    name: 'a log-out without network is told when it is back; until then logout() says that it is owed',
    tabs: 1,
    async run(world, mode, tabs) {
      const page = tabs.pages[0]!;
      const who = await login(world, mode, tabs, 900);
      const online = await offline(world, mode, tabs);
      const logout = () => page.evaluate(() => window.manager.logout());
      expect([await logout(), await statusOf(page), await logout()]).toEqual([false, 'signedOut', false]);
      expect(await liveTokens(world, who)).toBe(1);
      await online();
      await dead(world, who);
      expect(await logout()).toBe(true);
    },
  },
  {
    name: 'a log-out without network, in a tab that is closed, is told by a tab that was open',
    modes: ['memory', 'session'],
    tabs: 1,
    async run(world, mode, tabs) {
      const other = tabs.pages[0]!;
      const page = await openTab(world, mode, tabs);
      const who = await login(world, mode, { pages: [page, other] }, 900);
      const online = await offline(world, mode, tabs);
      await page.evaluate(() => void window.manager.logout());
      await allOut([other]);
      await page.close();
      await online();
      await dead(world, who);
    },
  },
  {
    name: 'a log-out without network, in a tab that is closed, is told by a tab that is opened later',
    modes: ['cookie'],
    tabs: 0,
    async run(world, mode, tabs) {
      const page = await openTab(world, mode, tabs);
      const who = await login(world, mode, { pages: [page] }, 900);
      const online = await offline(world, mode, tabs);
      await page.evaluate(() => void window.manager.logout());
      await page.close();
      await online();
      const later = await openTab(world, mode, tabs);
      expect(await statusOf(later)).toBe('signedOut');
      await dead(world, who);
      await later.close();
    },
  },
  {
    name: "what the former user's requests bring, headers or the rest of a body, does not arrive at the next one's",
    tabs: 1,
    async run(world, mode, tabs) {
      const page = tabs.pages[0]!;
      const site = world.site(mode);
      await login(world, mode, tabs, 900);
      const held = gate();
      site.release = held.opened;
      await sendLate(page);
      await page.evaluate(() => void window.manager.logout());
      const bob = await login(world, mode, tabs, 900);
      held.open();
      await expectNoneLate(world, page);
      // The next user's own go on.
      expect(await page.evaluate(() => window.fire(1))).toEqual([[200, bob.user]]);
    },
  },
  {
    name: "the rest of a former user's body does not arrive, when nothing of its request is in memory any more",
    tabs: 1,
    async run(world, mode, tabs) {
      const page = tabs.pages[0]!;
      await login(world, mode, tabs, 900);
      const held = gate();
      world.site(mode).release = held.opened;
      await sendLateAndCollect(page);
      expect(await page.evaluate(() => window.manager.logout())).toBe(true);
      held.open();
      expect(await page.evaluate(() => window.late)).toEqual(['nothing', 'nothing']);
    },
  },
  floor(
    'the clock is ahead by more than a token lives, and the server does not show its own',
    'skew=3600000&lacks=date',
  ),
  floor('tokens are short and have no iat', ''),
  {
    name: "Back to a page whose user has logged out in another tab neither shows that user nor sends in that user's name",
    tabs: 2,
    async run(world, mode, tabs) {
      const [page, other] = tabs.pages;
      const site = world.site(mode);
      await login(world, mode, tabs, 900);
      await leaveLooking(page!);
      await other!.evaluate(() => window.manager.logout());
      Object.assign(site, { refused: 0, refreshes: 0 });
      site.answered.length = 0;
      const { answers, user } = await back(page!);
      expect(answers).toEqual(Array.from({ length: 3 }, () => ['SIGNED_OUT', '']));
      expect([await statusOf(page!), user]).toEqual(['signedOut', undefined]);
      expect([site.answered, site.refused, site.refreshes]).toEqual([[], 0, 0]);
    },
  },
  {
    name: 'a page that was left keeps no transaction open that others would have to wait for',
    tabs: 2,
    async run(world, mode, tabs) {
      const [page, other] = tabs.pages;
      await login(world, mode, tabs, 900);
      const session = await other!.evaluate(() => window.manager.getSnapshot().session!);
      await leave(page!);
      expect(await other!.evaluate(() => window.manager.logout())).toBe(true);
      expect(await writtenGeneration(other!, session)).toBe(Number.MAX_SAFE_INTEGER);
      await load(world, mode, tabs, page!);
    },
  },
  {
    name: 'two managers over one worker: each token goes to its own endpoint',
    modes: ['memory'],
    tabs: 0,
    async run(world, mode, tabs) {
      const site = world.site(mode);
      const page = await tabs.context.newPage();
      await page.goto(`${world.url(mode, tabs.context)}/?storage=memory&worker=1&background=1`);
      await page.waitForFunction(() => window.up === true);
      const who = await login(world, mode, { pages: [page] }, 100);
      const { token } = mintRefresh({ userId: 1, tokenType: 'access', lifetimeSeconds: 100 });
      site.elsewhere.length = site.posted.length = 0;
      await page.evaluate(async (access) => {
        const Manager = window.manager.constructor as typeof TokenManager;
        const serviceWorker = window.worker('/account/token/client/service-worker.js');
        const second = new Manager({ refreshUrl: '/other/token/refresh/', serviceWorker });
        await second.ready;
        await second.setTokens({ access, refresh: 'the second one' });
        await new Promise((resolve) => setTimeout(resolve, 500));
        // The time of both has come, as far as this page knows; for the worker it has from the beginning.
        const now = Date.now.bind(Date);
        Date.now = () => now() + 99_000;
        window.dispatchEvent(new Event('focus'));
      }, token);
      await page.waitForFunction(() => window.manager.getSnapshot().generation === 1);
      await until(() => site.elsewhere.length > 0);
      const sent = site.elsewhere.map((body) => (JSON.parse(body) as { refresh: string }).refresh);
      expect(new Set(sent)).toEqual(new Set(['the second one']));
      expect(site.posted.filter((body) => body.includes('the second one'))).toEqual([]);
      expect(await liveTokens(world, who)).toBe(1);
      await page.evaluate(() => window.manager.logout());
      await page.close();
    },
  },
];

/** Neither an alarm nor a request makes a refresh of a token that has just come. */
function floor(why: string, query: string): Scenario {
  return {
    name: `there is a least interval between two refreshes in the background where ${why}`,
    modes: ['memory'],
    tabs: 1,
    query: () => `background=1&${query}`,
    async run(world, mode, tabs) {
      const page = tabs.pages[0]!;
      const site = world.site(mode);
      const who = await login(world, mode, tabs);
      const lifeMs = 10_000;
      const short = query === '';
      const mint = (): string =>
        mintRefresh({
          userId: who.minted.userId,
          tokenType: 'access',
          lifetimeSeconds: lifeMs / 1_000,
          claims: { iat: undefined },
        }).token;
      if (short) site.fate = () => ({ access: mint() });
      // On a machine so slow that a short token expires meanwhile nothing is seen, and it is looked at once more.
      for (let tookMs = Infinity; tookMs >= lifeMs;) {
        const begun = Date.now();
        await page.evaluate(() => window.manager.refreshAccessToken());
        // So that it looks now, and not at its next tick.
        await page.evaluate(() => void window.dispatchEvent(new Event('focus')));
        site.refreshes = 0;
        await new Promise((resolve) => setTimeout(resolve, 4_000));
        const answers: unknown[] = [];
        for (let n = 0; n < 3; n++)
          answers.push(await page.evaluate(async () => (await window.fire(1))[0]![0]));
        tookMs = short ? Date.now() - begun + 1_000 : 0;
        if (tookMs < lifeMs) expect([answers, site.refreshes]).toEqual([[200, 200, 200], 0]);
      }
      site.fate = () => 'pass';
      await page.evaluate(() => window.manager.logout());
    },
  };
}
