import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';
import { clientWorld, until } from './support/world.js';

const SESSION_SECONDS = 3_600;

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('the end of a session', () => {
  const world = clientWorld('--session-lifetime', `${SESSION_SECONDS}s`, '--rotation', 'offered');
  const seconds = () => Math.floor(Date.now() / 1000);

  /** Logged in so long ago that the session ends in `leftSeconds`. */
  async function loginLate(mode: 'memory' | 'cookie', leftSeconds: number, shared = false) {
    const tabs = await world.tabs(mode, 1, 'background=1');
    const [page] = tabs.pages;
    const iatSeconds = seconds() - SESSION_SECONDS + leftSeconds;
    const minted = await world.rotation.login({ iatSeconds, lifetimeSeconds: 86_400 });
    const access = mintRefresh({ userId: minted.userId, tokenType: 'access', lifetimeSeconds: 900 }).token;
    const pair = { access, refresh: minted.token, shared };
    await page!.evaluate((tokens) => window.manager.setTokens(tokens), pair);
    await page!.evaluate(() => window.manager.refreshAccessToken());
    return { tabs, page: page!, endMs: (iatSeconds + SESSION_SECONDS) * 1000 };
  }

  it.each([
    ['memory', 'the refresh token says it', false],
    ['memory', 'the refresh token is kept, and says a later one', true],
    ['cookie', 'the refresh token is in a cookie', false],
  ] as const)(
    'is known to the page, told of in time, and asked for no more tokens when it can not be put off (%s: %s)',
    async (mode, _, shared) => {
      const { tabs, page, endMs } = await loginLate(mode, 400, shared);
      const look = () => page.evaluate(() => window.manager.getSnapshot());
      const expiring = () =>
        page.evaluate(() =>
          window.events.filter(([name]) => name === 'expiring').map(([, detail]) => detail),
        );
      /** Moves this computer's clock to so long before the end, and has the page notice it. */
      const wake = (beforeMs: number) =>
        page.evaluate(async (before) => {
          const now = Date.now.bind(Date);
          const by = window.manager.getSnapshot().sessionEndsAt! - before - now();
          Date.now = () => now() + by;
          window.dispatchEvent(new Event('focus'));
          // As long as a check takes, whose last step asks the database of generations.
          await new Promise((resolve) => setTimeout(resolve, 500));
        }, beforeMs);
      const { sessionEndsAt, accessExpiresAt, session } = await look();
      // The server's clock is known to the second.
      expect(Math.abs(sessionEndsAt! - endMs)).toBeLessThan(2_000);
      expect(accessExpiresAt).toBe(sessionEndsAt);
      await wake(320_000);
      expect(await expiring()).toEqual([]);

      // Five minutes before, once, whoever is awake how often.
      await wake(299_000);
      await wake(298_000);
      const [told, ...more] = await expiring();
      expect([told?.['session'], more]).toEqual([session, []]);
      expect(Math.abs(Number(told?.['endsAt']) - endMs)).toBeLessThan(2_000);

      // Another pair of the same end: from now on none is asked for, though the token's last minute has come.
      await page.evaluate(() => window.manager.refreshAccessToken());
      const site = world.site(mode);
      site.refreshes = 0;
      await wake(5_000);
      expect(site.refreshes).toBe(0);
      expect((await look()).status).toBe('signedIn');
      // At its end it is: whether the session is over is for the server to say.
      await wake(-1_000);
      await until(() => site.refreshes > 0);
      await tabs.context.close();
    },
  );

  it('a refresh after that is refused, and the page is told that the session is over', async () => {
    const { tabs, page, endMs } = await loginLate('memory', 3);
    await page.evaluate(() => window.dispatchEvent(new Event('focus')));
    await page.waitForFunction(() => window.events.some(([name]) => name === 'expired'));
    expect(Date.now()).toBeGreaterThan(endMs - 1_000);
    expect(await page.evaluate(() => window.manager.getSnapshot())).toMatchObject({
      status: 'signedOut',
      sessionEndsAt: undefined,
    });
    await tabs.context.close();
  });
});
