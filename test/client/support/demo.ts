import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { startServer, type TestServer } from '../../support/server.js';
import { services } from '../../support/services.js';

/** A server with the demo, its refresh tokens in cookies, and a browser to look at it: for all tests of a file. */
export function demoWorld(): { readonly server: TestServer; readonly browser: Browser } {
  let server: TestServer;
  let browser: Browser;
  beforeAll(async () => {
    [server, browser] = await Promise.all([
      startServer({ args: ['--demo', '--refresh-cookie'], env: { CARELINK_SIGNING_KEY: '' } }),
      chromium.launch({
        executablePath: services().chromium!,
        args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
      }),
    ]);
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });
  return {
    get server() {
      return server;
    },
    get browser() {
      return browser;
    },
  };
}
