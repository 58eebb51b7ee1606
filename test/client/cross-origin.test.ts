/** The TokenManager in a page whose origin is not the token server's. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdRow } from '../support/held-row.js';
import { rotationWorld } from '../support/rotation-world.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';

const found = services();

describe.skipIf(found.chromium === undefined || found.postgres === undefined)(
  'a page on another origin, in Chromium',
  () => {
    const rotation = rotationWorld();
    let app: Server;
    let port: number;
    let server: TestServer;
    let browser: Browser;

    beforeAll(async () => {
      app = createServer((_, response) => {
        response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><title>app</title>
          <script type="module">
            import { TokenManager } from '${server.url}/account/token/client/token-manager.js';
            window.manager = new TokenManager({ refreshUrl: '${server.url}/account/token/refresh/', background: false });
          </script>`);
      }).listen(0, '127.0.0.1');
      await once(app, 'listening');
      ({ port } = app.address() as AddressInfo);
      server = await startServer({
        databaseUrl: rotation.url,
        args: ['--cors-origin', `http://app.localhost:${port}`, '--request-timeout', '2s'],
      });
      browser = await chromium.launch({ executablePath: found.chromium!, args: ['--no-sandbox'] });
    });
    afterAll(async () => {
      await browser.close();
      app.close();
      await server.stop();
    });

    const open = async (host: string): Promise<Page> => {
      const page = await browser.newPage();
      await page.goto(`http://${host}:${port}/`);
      return page;
    };

    /** What a script of the page can see of an answer. */
    const seen = (page: Page, path: string, body?: object) =>
      page.evaluate(
        async ([url, text]) => {
          try {
            const answer = await fetch(url, {
              method: text === '' ? 'GET' : 'POST',
              ...(text === '' ? {} : { body: text, headers: { 'Content-Type': 'application/json' } }),
            });
            return [
              answer.status,
              Object.keys((await answer.json()) as object)
                .sort()
                .join(),
            ];
          } catch (error) {
            return (error as Error).name;
          }
        },
        [`${server.url}/account/token/${path}`, body === undefined ? '' : JSON.stringify(body)] as const,
      );

    it('that is listed loads the TokenManager, refreshes, logs out, and is told what went wrong', async () => {
      const page = await open('app.localhost');
      const { token, userId } = await rotation.login();
      const now = Math.floor(Date.now() / 1000);
      const access = mintRefresh({
        userId,
        tokenType: 'access',
        iatSeconds: now - 900,
        lifetimeSeconds: 899,
      });
      const told = await page.evaluate(
        async (pair) => {
          const { manager } = window;
          await manager.ready;
          await manager.setTokens(pair);
          const first = await manager.refreshAccessToken();
          const second = await manager.refreshAccessToken();
          const signedIn = manager.getSnapshot().status;
          const known = await manager.logout();
          return { first, second, signedIn, known, signedOut: manager.getSnapshot().status };
        },
        { access: access.token, refresh: token },
      );
      expect(told).toMatchObject({ signedIn: 'signedIn', known: true, signedOut: 'signedOut' });
      expect(told.first).toMatch(/^ey/);
      expect(await seen(page, 'refresh/', { refresh: token })).toEqual([401, 'code,detail,error']);
      expect(await seen(page, 'refresh/', {})).toEqual([400, 'error,refresh']);
      expect(await seen(page, 'refresh/')).toEqual([405, 'detail,error']);
      await page.close();
    });

    it('that is listed is told of a refresh in flight and of a store that is busy, and when to come again', async () => {
      const page = await open('app.localhost');
      const { token, jti } = await rotation.login();
      const letGo = await holdRow(rotation.url, jti);
      const told = await page.evaluate(
        async ([url, refresh]) => {
          const ask = async () => {
            const headers = { 'Content-Type': 'application/json' };
            const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ refresh }) });
            await answer.json();
            return [answer.status, Number(answer.headers.get('retry-after')) >= 1] as const;
          };
          return Promise.all([ask(), ask()]);
        },
        [`${server.url}/account/token/refresh/`, token] as const,
      );
      await letGo();
      expect(told.sort()).toEqual([
        [429, true],
        [503, true],
      ]);
      await page.close();
    });

    it.each(['app.localhost.evil.localhost', 'other.localhost', '127.0.0.1'])(
      'that is %s gets nothing, and spends nothing',
      async (host) => {
        const page = await open(host);
        const { token } = await rotation.login();
        expect(await seen(page, 'refresh/', { refresh: token })).toBe('TypeError');
        expect(await seen(page, 'refresh/')).toBe('TypeError');
        // The preflight kept the request from being sent.
        const answer = await fetch(`${server.url}/account/token/refresh/`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ refresh: token }),
        });
        expect(answer.status).toBe(200);
        await page.close();
      },
    );

    it('that is a sandboxed frame, whose origin is null, gets nothing', async () => {
      const page = await open('app.localhost');
      const origin = await page.evaluate(
        (url) =>
          new Promise<string>((resolve) => {
            addEventListener('message', ({ data }) => resolve(data as string), { once: true });
            const frame = document.createElement('iframe');
            frame.setAttribute('sandbox', 'allow-scripts');
            frame.srcdoc = `<script>fetch(${JSON.stringify(url)}).then(() => 'read', (error) => error.name)
              .then((told) => parent.postMessage(origin + ' ' + told, '*'))<\/script>`;
            document.body.append(frame);
          }),
        `${server.url}/account/token/refresh/`,
      );
      expect(origin).toBe('null TypeError');
      await page.close();
    });
  },
);
