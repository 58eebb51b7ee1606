/** Cookies in dj-rest-auth's style, for pages whose origin is not the token server's, in Chromium. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdRow } from '../support/held-row.js';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { decodeToken } from '../support/tokens.js';

const found = services();
const NAME = '__Host-refresh';

describe.skipIf(found.chromium === undefined || found.postgres === undefined)(
  "cookies in dj-rest-auth's style, in a page on another origin",
  () => {
    const rotation = rotationWorld();
    let app: Server;
    let port: number;
    let server: TestServer;
    let api: string;
    let browser: Browser;

    beforeAll(async () => {
      app = createServer((_, response) => {
        response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>app</title>');
      }).listen(0, '127.0.0.1');
      await once(app, 'listening');
      ({ port } = app.address() as AddressInfo);
      server = await startServer({
        databaseUrl: rotation.url,
        args: [
          '--cookie-style', 'dj-rest-auth', '--cookie-name', NAME, '--access-cookie-name', '__Host-access',
          // What a site needs whose pages are on another site; a browser keeps nothing from foreign pages then.
          '--cookie-samesite', 'None', '--cookie-secure',
          '--cors-origin', `http://app.localhost:${port}`, '--reuse-grace', '0s', '--request-timeout', '2s',
        ],
      }); // prettier-ignore
      // Of the same site as the app: of another one than the others below.
      api = `${server.url.replace('127.0.0.1', 'api.app.localhost')}/account/token`;
      browser = await chromium.launch({ executablePath: found.chromium!, args: ['--no-sandbox'] });
    });
    afterAll(async () => {
      await browser.close();
      app.close();
      await server.stop();
    });

    const open = async (context: BrowserContext, host: string): Promise<Page> => {
      const page = await context.newPage();
      await page.goto(`http://${host}:${port}/`);
      return page;
    };

    /** What a script of the page can see of an answer. */
    const ask = (page: Page, path: string, body?: object) =>
      page.evaluate(
        async ([url, text]) => {
          try {
            const answer = await fetch(url, {
              method: 'POST',
              credentials: 'include',
              ...(text === '' ? {} : { body: text, headers: { 'Content-Type': 'application/json' } }),
            });
            const names = Object.keys((await answer.json()) as object);
            return [answer.status, names.sort().join(), answer.headers.get('retry-after') !== null] as const;
          } catch (error) {
            return (error as Error).name;
          }
        },
        [`${api}/${path}/`, body === undefined ? '' : JSON.stringify(body)] as const,
      );

    const cookieIn = async (context: BrowserContext): Promise<string | undefined> =>
      (await context.cookies(api)).find(({ name }) => name === NAME)?.value;

    /** A profile whose user is signed in: the token of a log-in is in the cookie. */
    const signedIn = async (): Promise<{ context: BrowserContext; page: Page; token: string }> => {
      const context = await browser.newContext();
      const page = await open(context, 'app.localhost');
      const { token } = await rotation.login();
      expect(await ask(page, 'refresh', { refresh: token })).toEqual([
        200,
        'access,access_expiration',
        false,
      ]);
      return { context, page, token };
    };

    const refreshed = async (token: string): Promise<number> => {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ refresh: token });
      return (await fetch(`${server.url}/account/token/refresh/`, { method: 'POST', headers, body })).status;
    };

    it('that is listed refreshes, is told of 429, 503 and 401, and logs out, with cookies that no script sees', async () => {
      const { context, page } = await signedIn();
      const first = (await cookieIn(context))!;
      expect((await context.cookies(api)).map(({ name, httpOnly }) => [name, httpOnly]).sort()).toEqual([
        ['__Host-access', true],
        [NAME, true],
      ]);
      expect(await page.evaluate(() => document.cookie)).toBe('');
      expect(await ask(page, 'refresh')).toEqual([200, 'access,access_expiration', false]);
      const second = (await cookieIn(context))!;
      expect(second).not.toBe(first);

      // One waits for the row until its time is up; the other one finds it in flight.
      const letGo = await holdRow(rotation.url, String(decodeToken(second).claims['jti']));
      const both = await Promise.all([ask(page, 'refresh'), ask(page, 'refresh')]);
      await letGo();
      expect(both.sort()).toEqual([
        [429, 'detail,error', true],
        [503, 'detail,error', true],
      ]);
      expect(await cookieIn(context)).toBe(second);
      expect(await ask(page, 'refresh')).toEqual([200, 'access,access_expiration', false]);

      // Logged out elsewhere: the 401 can be read, and clears nothing.
      const third = (await cookieIn(context))!;
      const headers = { cookie: `${NAME}=${third}` };
      expect((await fetch(`${server.url}/account/token/blacklist/`, { method: 'POST', headers })).status).toBe(200);
      expect(await ask(page, 'refresh')).toEqual([401, 'code,detail,error', false]);
      expect(await cookieIn(context)).toBe(third);
      expect(await ask(page, 'blacklist')).toEqual([401, 'code,detail,error', false]);
      expect(await context.cookies(api)).toEqual([]);

      const { token } = await rotation.login();
      await ask(page, 'refresh', { refresh: token });
      const last = (await cookieIn(context))!;
      expect(await ask(page, 'blacklist')).toEqual([200, 'detail', false]);
      expect(await context.cookies(api)).toEqual([]);
      expect(await refreshed(last)).toBe(401);
      expect(await ask(page, 'refresh')).toEqual([401, 'code,detail,error', false]);
      await context.close();
    }); // prettier-ignore

    /** Submits a form of a page there, as a click would; the status of what is shown then. */
    const submit = async (
      context: BrowserContext,
      from: string,
      path: string,
      fields: Record<string, string> = {},
    ): Promise<number> => {
      const page = await context.newPage();
      await page.goto(from);
      const shown = page.waitForResponse((response) => response.url().startsWith(api));
      await page.evaluate(
        ([action, given]) => {
          const form = document.createElement('form');
          Object.assign(form, { method: 'POST', action });
          for (const [name, value] of Object.entries(given)) {
            const input = document.createElement('input');
            Object.assign(input, { name, value });
            form.append(input);
          }
          document.body.append(form);
          setTimeout(() => form.submit());
        },
        [`${api}/${path}/`, fields] as const,
      );
      const response = await shown;
      // A page that is closed before it shows its answer holds up the next one of its process.
      await page.waitForURL(response.url());
      return response.status();
    };

    it.each(['app.localhost.evil.localhost', 'evil-app.localhost', 'evil.app.localhost', 'other.localhost', '127.0.0.1'])(
      'that is %s gets nothing, changes no cookie, and logs nobody in or out',
      async (host) => {
        const { context } = await signedIn();
        const victims = await cookieIn(context);
        const attackers = (await rotation.login()).token;
        const page = await open(context, host);
        expect(await ask(page, 'refresh')).toBe('TypeError');
        expect(await ask(page, 'refresh', { refresh: attackers })).toBe('TypeError');
        expect(await ask(page, 'blacklist')).toBe('TypeError');
        // No preflight, for nobody can read the answer.
        await page.evaluate(
          async ([url, text]) => {
            const body = new URLSearchParams({ refresh: text });
            await fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include', body });
          },
          [`${api}/refresh/`, attackers] as const,
        );
        const from = `http://${host}:${port}/`;
        expect(await submit(context, from, 'refresh', { refresh: attackers })).toBe(403);
        expect(await submit(context, from, 'refresh')).toBe(403);
        expect(await submit(context, from, 'blacklist')).toBe(403);
        expect(await cookieIn(context)).toBe(victims);
        expect([await refreshed(attackers), await refreshed(victims!)]).toEqual([200, 200]);
        await context.close();
      },
    ); // prettier-ignore

    it('whose origin is null gets nothing: a sandboxed frame, and the form of a data URL', async () => {
      const { context, page } = await signedIn();
      const victims = await cookieIn(context);
      const told = await page.evaluate(
        (url) =>
          new Promise<string>((resolve) => {
            addEventListener('message', ({ data }) => resolve(data as string), { once: true });
            const frame = document.createElement('iframe');
            frame.setAttribute('sandbox', 'allow-scripts');
            frame.srcdoc = `<script>fetch(${JSON.stringify(url)}, { method: 'POST', credentials: 'include' })
              .then(() => 'read', (error) => error.name).then((told) => parent.postMessage(origin + ' ' + told, '*'))<\/script>`;
            document.body.append(frame);
          }),
        `${api}/refresh/`,
      );
      expect(told).toBe('null TypeError');
      for (const path of ['refresh', 'blacklist'])
        expect(await submit(context, 'data:text/html,<title>null</title>', path)).toBe(403);
      expect(await cookieIn(context)).toBe(victims);
      expect(await refreshed(victims!)).toBe(200);
      await context.close();
    });
  },
);
