/** When the built client refreshes, in a real browser whose clock is turned on. */
import { describe, expect, it } from 'vitest';
import { refreshAtMs } from '../../src/client/clock.js';
import type { TokenManager } from '../../src/client/token-manager.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';
import { clientWorld } from './support/world.js';

const USERS = 120;
const LIFE_SECONDS = 900;
const LEAD_SECONDS = 120;

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)(
  'the moments of browsers',
  () => {
    const world = clientWorld();

    it('who log in in the same second are spread over half of the lead', async () => {
      // Databases and locks take real time, which a clock that is turned on doesn't wait for.
      const tabs = await world.tabs('memory', 1, 'lacks=indexedDB');
      const [page] = tabs.pages;
      const [begun, iatSeconds] = [Date.now(), Math.floor(Date.now() / 1000)];
      await page!.clock.install({ time: begun });
      const users = Array.from({ length: USERS }, (_, userId) => ({
        access: mintRefresh({ userId, tokenType: 'access', iatSeconds, lifetimeSeconds: LIFE_SECONDS }).token,
        refresh: `refresh ${userId}`,
      }));
      await page!.evaluate(async (all) => {
        const Manager = window.manager.constructor as typeof TokenManager;
        Object.defineProperty(navigator, 'locks', { value: undefined });
        const moments: Record<string, number[]> = {};
        window.moments = moments;
        // Nobody answers: what counts is when it is asked.
        window.fetch = (_, init) => {
          const { refresh } = JSON.parse(init?.body as string) as { refresh: string };
          (moments[refresh] ??= []).push(Date.now());
          return Promise.reject(new TypeError('no network'));
        };
        for (const [at, pair] of all.entries()) {
          const options = { name: `user ${at}`, maxWaitMs: 60_000 };
          const manager = new Manager(options);
          await manager.ready;
          await manager.setTokens(pair);
        }
      }, users);
      await page!.clock.runFor(LIFE_SECONDS * 1000);
      const asked = await page!.evaluate(() => window.moments!);
      for (const { access, refresh } of users) {
        const at = refreshAtMs({ id: '', generation: 0, access, skewMs: 0 });
        // Timers count whole milliseconds; none rests for less than 250, and without a ledger the tabs are asked for 100.
        expect(asked[refresh]?.[0]).toBeGreaterThanOrEqual(Math.floor(at));
        expect(asked[refresh]?.[0]).toBeLessThan(at + 400);
      }
      const seconds = Object.values(asked).map(([first]) => first! / 1000 - iatSeconds);
      const [first, last] = [LIFE_SECONDS - LEAD_SECONDS, LIFE_SECONDS - LEAD_SECONDS / 2];
      expect(Math.min(...seconds)).toBeGreaterThanOrEqual(first);
      expect(Math.max(...seconds)).toBeLessThan(last + 0.4);
      // Of 120 in 60 s no second has more than 12 (two are expected; seven standard deviations more).
      const bySecond = new Map<number, number>();
      for (const at of seconds.map(Math.floor)) bySecond.set(at, (bySecond.get(at) ?? 0) + 1);
      expect(Math.max(...bySecond.values())).toBeLessThanOrEqual(12);
      // And after a try that failed nobody comes back in step.
      const again = Object.values(asked).map(([one, two]) => two! - one!);
      expect(new Set(again).size).toBeGreaterThan(USERS / 3);
      await tabs.context.close();
    });
  },
);

declare global {
  interface Window {
    moments?: Record<string, number[]>;
  }
}
