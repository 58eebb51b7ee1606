import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { demoWorld } from './support/demo.js';

describe.skipIf(services().chromium === undefined)('serve --demo', () => {
  const world = demoWorld();

  it('logs in, sends, refreshes, loses its worker, survives a reload, and logs out: by keyboard alone', async () => {
    const page = await world.browser.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.message));
    await page.goto(`${world.server.url}/account/token/demo/`);
    const shows = (id: string, text: string) =>
      page.waitForFunction(
        ([at, wanted]) => document.getElementById(at!)?.textContent === wanted,
        [id, text],
      );
    const press = async (id: string) => {
      await page.waitForFunction((at) => !(document.getElementById(at) as HTMLButtonElement).disabled, id);
      await page.focus(`#${id}`);
      await page.keyboard.press('Enter');
    };
    await press('login-1');
    await shows('status', 'signed in');
    // The log-in's refresh token is in the cookie by now, and nowhere a script can read.
    expect(
      await page.evaluate(() => document.cookie + JSON.stringify([sessionStorage, localStorage])),
    ).not.toMatch(/ey[JA]/);
    await press('send');
    await shows('answered', '50');
    await press('refresh');
    await shows('generation', '2');
    await press('kill');
    await shows('worker', 'none');
    await page.reload();
    await shows('status', 'signed in');
    await shows('user', 'nurse 1');
    await press('logout');
    await shows('status', 'signed out');
    expect(faults).toEqual([]);
    // The page is signed out before the server has answered; the answer clears the cookie.
    await expect.poll(() => page.context().cookies(), { timeout: 30_000 }).toEqual([]);
  });

  it('is for this machine only', async () => {
    const login = (headers: Record<string, string>) =>
      fetch(`${world.server.url}/account/token/demo/login`, {
        method: 'POST',
        headers,
        body: '{"user":1}',
      }).then((r) => r.status);
    expect(await login({})).toBe(200);
    expect(await login({ 'x-forwarded-for': '10.0.0.1' })).toBe(403);
    expect(await login({ 'sec-fetch-site': 'cross-site' })).toBe(403);
  });
});
