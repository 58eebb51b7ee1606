import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { chromium } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';

const { chromium: path } = services();
const example = (name: string): string => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url));

async function bundleOf(name: string): Promise<string> {
  const bundle = await rolldown({
    input: example(name),
    platform: 'browser',
    logLevel: 'silent',
    transform: { define: { 'process.env.NODE_ENV': '"production"' } },
  });
  const { output } = await bundle.generate({ format: 'esm' });
  return output[0].code;
}

describe.skipIf(path === undefined)('the examples', () => {
  it.each(['plain', 'react'])('%s: signs in, asks with the token, follows a log-out', async (name) => {
    const browser = await chromium.launch({
      executablePath: path!,
      args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
    });
    try {
      const page = await browser.newPage();
      const app = name === 'react' ? await bundleOf('react/app.jsx') : '';
      // What the app's own server would answer.
      await page.route('http://localhost/**', (route) => {
        const { pathname } = new URL(route.request().url());
        if (pathname === '/')
          return route.fulfill({
            contentType: 'text/html',
            body: readFileSync(example(`${name}/index.html`), 'utf8'),
          });
        if (pathname === '/app.js') return route.fulfill({ contentType: 'text/javascript', body: app });
        const [, file] = /client\/(token-manager|worker)\.js$/.exec(pathname) ?? [];
        if (file !== undefined) {
          return route.fulfill({
            contentType: 'text/javascript',
            body: readFileSync(new URL(`../../dist/client/${file}.js`, import.meta.url), 'utf8'),
          });
        }
        const authorization = route.request().headers()['authorization'];
        if (pathname === '/api/patients/')
          return route.fulfill({ status: authorization ? 200 : 401, body: 'patients' });
        return route.fulfill({ status: pathname.endsWith('/blacklist/') ? 200 : 404, body: '{}' });
      });
      await page.goto('http://localhost/');
      const { token } = mintRefresh({ tokenType: 'access', userId: 7 });
      await page.waitForFunction(() => document.getElementById('status')?.textContent === 'signedOut');
      await page.evaluate(
        (access) =>
          (window as unknown as { tokens: { setTokens(t: object): Promise<void> } }).tokens.setTokens({
            access,
            refresh: access,
          }),
        token,
      );
      if (name === 'plain') await page.click('#load');
      await page.waitForFunction(() => document.getElementById('answer')?.textContent === 'patients');
      await page.click('#logout');
      await page.waitForFunction(() => document.getElementById('status')?.textContent === 'signedOut');
      expect(await page.textContent('#status')).toBe('signedOut');
    } finally {
      await browser.close();
    }
  });
});
