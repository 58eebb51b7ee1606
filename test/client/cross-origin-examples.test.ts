/** The examples for pages on another origin, with a real server behind the API's. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';
import { startSite, type Site } from './support/site.js';

const found = services();
const example = (name: string): string => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));

async function bundleOf(name: string): Promise<string> {
  const bundle = await rolldown({ input: example(name), platform: 'browser', logLevel: 'silent' });
  const { output } = await bundle.generate({ format: 'esm' });
  return output[0].code;
}

describe.skipIf(found.chromium === undefined || found.postgres === undefined)(
  'the examples for pages on another origin',
  () => {
    const rotation = rotationWorld();
    let browser: Browser;
    const closing: (() => unknown)[] = [];

    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: found.chromium!, args: ['--no-sandbox'] });
    });
    afterAll(async () => {
      await browser.close();
      for (const close of closing.reverse()) await close();
    });

    /** A page server at app.localhost, and the API with the token server at api.app.localhost. */
    async function origins(
      pageOf: (api: string) => ReadonlyMap<string, string>,
      args: readonly string[],
    ): Promise<{ app: string; site: Site }> {
      let files: ReadonlyMap<string, string> = new Map();
      const answer = ({ url = '' }: IncomingMessage, response: ServerResponse): void => {
        const text = files.get(url);
        const type = url.endsWith('.js') ? 'text/javascript' : 'text/html';
        response.writeHead(text === undefined ? 404 : 200, { 'content-type': type }).end(text);
      };
      const pages = createServer(answer).listen(0, '127.0.0.1');
      await once(pages, 'listening');
      closing.push(() => pages.close());
      const app = `http://app.localhost:${(pages.address() as AddressInfo).port}`;
      const server = await startServer({ databaseUrl: rotation.url, args: ['--cors-origin', app, ...args] });
      closing.push(() => server.stop());
      const site = await startSite(server.url, { pages: app });
      closing.push(() => site.close());
      files = pageOf(site.url.replace('127.0.0.1', 'api.app.localhost'));
      return { app, site };
    }

    const expired = (userId: number | string): string => {
      const iatSeconds = Math.floor(Date.now() / 1000) - 900;
      return mintRefresh({ userId, tokenType: 'access', iatSeconds, lifetimeSeconds: 899 }).token;
    };
    const shows = async (page: Page, id: string, text: string): Promise<void> =>
      expect.poll(() => page.textContent(`#${id}`), { timeout: 30_000 }).toContain(text);
    const withApi = (html: string, api: string): string => html.replace('https://api.example.org', api);

    it('cross-origin: refreshes with the token in a body, loads, and logs out', async () => {
      const html = readFileSync(example('cross-origin/index.html'), 'utf8');
      const { app, site } = await origins((api) => new Map([['/', withApi(html, api)]]), []);
      const page = await browser.newPage();
      await page.goto(app);
      await shows(page, 'status', 'signedOut');
      const { token, userId } = await rotation.login();
      await page.evaluate(
        (pair) =>
          (window as unknown as { tokens: { setTokens(t: object): Promise<void> } }).tokens.setTokens(pair),
        { access: expired(userId), refresh: token },
      );
      await page.click('#load');
      await shows(page, 'answer', `"user":${userId}`);
      expect(site.refreshes).toBe(1);
      await page.click('#logout');
      await shows(page, 'status', 'signedOut');
      await page.close();
    });

    it("axios: refreshes in dj-rest-auth's cookies after a 401, once for all, and logs out", async () => {
      const html = readFileSync(example('axios/index.html'), 'utf8');
      const bundle = await bundleOf('axios/app.js');
      const { app, site } = await origins(
        (api) => new Map([['/', withApi(html, api)], ['/bundle.js', bundle]]),
        ['--cookie-style', 'dj-rest-auth', '--cookie-name', 'refresh', '--access-cookie-name', 'access'],
      ); // prettier-ignore
      const context = await browser.newContext();
      const page = await context.newPage();
      const { token, userId } = await rotation.login();
      const cookie = { domain: 'api.app.localhost', path: '/', httpOnly: true, sameSite: 'Lax' as const };
      // What a log-in at dj-rest-auth leaves behind, a while later.
      await context.addCookies([
        { ...cookie, name: 'refresh', value: token },
        { ...cookie, name: 'access', value: expired(userId) },
      ]);
      await page.goto(app);
      await shows(page, 'status', 'ready');
      site.fate = (n) => (n === 0 ? { status: 503, retryAfter: '1' } : 'pass');
      // Two at once, and both are refused: one refresh, which is put off once.
      await page.evaluate(() => {
        for (let n = 0; n < 2; n++) document.getElementById('load')!.click();
      });
      await shows(page, 'answer', `"user":${userId}`);
      expect([site.refreshes, site.refused]).toEqual([2, 2]);
      await page.click('#logout');
      await shows(page, 'status', 'signedOut');
      expect(await context.cookies(site.url.replace('127.0.0.1', 'api.app.localhost'))).toEqual([]);
      await context.close();
    });
  },
);
