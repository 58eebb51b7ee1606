/** The examples of docs/browser-client.md, as they stand there: 20 requests at expiry, one refresh, none lost, none twice. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TokenManager } from '../../src/client/token-manager.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';
import { clientWorld, liveTokens, login, rotations, until, type Login, type Tabs } from './support/world.js';

declare global {
  interface Window {
    example: {
      readonly tokens: TokenManager;
      readonly api: { post: (url: string, ...more: object[]) => Promise<unknown> };
      readonly patient: (id: number) => Promise<unknown>;
      readonly save: (id: number, text: string) => Promise<unknown>;
      readonly openSocket: () => Promise<WebSocket>;
      readonly show: () => void;
      readonly hydrate: (html: string) => void;
    };
    faults: string[];
  }
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const blocks = [...readFileSync(`${root}docs/browser-client.md`, 'utf8').matchAll(/^```jsx?\n(.*?)^```/gms)];

/** The example that imports this. */
function exampleOf(specifier: string): string {
  const found = blocks.map(([, text]) => text!).filter((text) => text.includes(`from '${specifier}'`));
  expect(found).toHaveLength(1);
  return found[0]!;
}

const MORE = `
import { createElement, StrictMode } from 'react';
import { createRoot, hydrateRoot } from 'react-dom/client';
const all = () => createElement(StrictMode, null, Array.from({ length: 20 }, (_, id) => createElement(Patient, { key: id, id })));
export const show = () => createRoot(document.getElementById('root')).render(all());
export const hydrate = (html) => {
  const root = document.getElementById('root');
  root.innerHTML = html;
  hydrateRoot(root, all(), { onRecoverableError: (error) => window.faults.push(String(error)) });
};`;
const ON_SERVER = `
import { createElement, StrictMode } from 'react';
import { renderToString } from 'react-dom/server';
const all = createElement(StrictMode, null, Array.from({ length: 20 }, (_, id) => createElement(Patient, { key: id, id })));
export const html = renderToString(all);`;

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined)('the example of', () => {
  const world = clientWorld();
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'carelink-examples-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  async function bundleOf(code: string, platform: 'browser' | 'node'): Promise<string> {
    const bundle = await rolldown({
      input: 'example.jsx',
      cwd: root,
      platform,
      logLevel: 'silent',
      transform: { define: { 'process.env.NODE_ENV': '"production"' } },
      plugins: [
        {
          name: 'example',
          // Where the package's own name leads to it.
          resolveId: (id) => (id === 'example.jsx' ? join(root, 'example.jsx') : undefined),
          load: (id) => (id === join(root, 'example.jsx') ? code : undefined),
        },
      ],
    });
    return (await bundle.generate({ format: 'esm' })).output[0].code;
  }

  /** A page with this example, and a user who is signed in with an access token that has expired. */
  async function open(code: string): Promise<{ page: Page; tabs: Tabs; who: Login }> {
    const opened = await world.tabs('cookie', 0);
    const page = await opened.context.newPage();
    const tabs = { ...opened, pages: [page] };
    const bundle = await bundleOf(code, 'browser');
    const html = '<!doctype html><ul id="root"></ul>';
    await page.route('**/app', (route) => route.fulfill({ contentType: 'text/html', body: html }));
    await page.route('**/app.js', (route) => route.fulfill({ contentType: 'text/javascript', body: bundle }));
    await page.goto(`${world.site('cookie').url}/app`);
    await page.addScriptTag({
      type: 'module',
      content:
        "import * as example from '/app.js'; window.faults = []; window.example = example; window.manager = example.tokens;",
    });
    await page.waitForFunction(() => Object.hasOwn(window, 'example'));
    const who = await login(world, 'cookie', tabs);
    world.site('cookie').answered.length = 0;
    return { page, tabs, who };
  }

  /** One refresh, and each of these answered once. */
  async function allOnce(who: Login, before: number, wanted: readonly string[]): Promise<void> {
    const site = world.site('cookie');
    expect([site.refreshes, await rotations(world, who)]).toEqual([1, before + 1]);
    expect([...site.answered].sort()).toEqual([...wanted].sort());
  }

  const TEN = Array.from({ length: 10 }, (_, id) => id);
  const SENT = TEN.flatMap((id) => [`GET /api/patients/${id}/`, `POST /api/patients/${id}/`]);

  it.each(['axios', 'ky'])('%s', async (name) => {
    const { page, tabs, who } = await open(exampleOf(`carelink-tokens/client/${name}`));
    const before = await rotations(world, who);
    const users = await page.evaluate(async (ids) => {
      const { patient, save } = window.example;
      const answers = await Promise.all(ids.flatMap((id) => [patient(id), save(id, 'well')]));
      return answers.map((answer) => String((answer as { user: unknown }).user));
    }, TEN);
    expect(users).toEqual(Array.from({ length: 20 }, () => who.user));
    await allOnce(who, before, SENT);
    // A token that the API refuses although its time is not over: one refresh more, and each is sent once more.
    const { token } = mintRefresh({
      userId: who.minted.userId,
      tokenType: 'access',
      iatSeconds: Math.floor(Date.now() / 1000) - 100,
      key: 'another key, that this API does not know of'.padEnd(64, '.'),
      lifetimeSeconds: 900,
    });
    const site = world.site('cookie');
    site.fate = () => ({ access: token });
    await page.evaluate(() => window.example.tokens.refreshAccessToken());
    site.fate = () => 'pass';
    site.answered.length = site.refreshes = 0;
    await page.evaluate((ids) => Promise.all(ids.map((id) => window.example.patient(id))), TEN);
    expect(site.refreshes).toBe(1);
    expect(site.answered.length).toBe(10);
    // Nobody is signed in: it is told by its code. What is under /account/token/, as a log-in is, goes out as it is.
    const [code, status] = await page.evaluate(async (library) => {
      await window.example.tokens.logout();
      const { api, patient } = window.example;
      const json = { token: 'none' };
      const verify = 'account/token/verify/';
      const sent =
        library === 'ky'
          ? api.post(verify, { prefixUrl: '/', json })
          : api.post(verify, json, { baseURL: '/' });
      return Promise.all([
        patient(1).catch((error: unknown) => (error as { code: string }).code),
        sent.catch((error: unknown) => (error as { response: Response }).response.status),
      ]);
    }, name);
    expect([code, status]).toEqual(['SIGNED_OUT', 401]);
    await tabs.context.close();
  });

  it("React; and while it is hydrated it shows what a server's page does", async () => {
    const code = exampleOf('carelink-tokens/client/react');
    const file = join(folder, 'server.mjs');
    writeFileSync(file, await bundleOf(code + ON_SERVER, 'node'));
    const { html } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { html: string };
    expect(html).toContain('restoring');
    for (const how of ['show', 'hydrate'] as const) {
      const { page, tabs, who } = await open(code + MORE);
      const before = await rotations(world, who);
      await page.evaluate(([name, text]) => window.example[name](text), [how, html] as const);
      await page.waitForFunction(
        (user) =>
          [...document.querySelectorAll('li')].filter(
            ({ textContent }) => textContent !== '' && textContent.includes(`"user":${user}`),
          ).length === 20,
        who.user,
      );
      expect(await page.evaluate(() => window.faults)).toEqual([]);
      const site = world.site('cookie');
      expect([site.refreshes, await rotations(world, who)]).toEqual([1, before + 1]);
      expect(new Set(site.answered)).toEqual(
        new Set(Array.from({ length: 20 }, (_, id) => `GET /api/patients/${id}/`)),
      );
      await page.evaluate(() => window.example.tokens.logout());
      await page.waitForFunction(() => document.querySelector('li')?.textContent === 'signedOut');
      await tabs.context.close();
    }
  });

  it('getToken: 20 who ask share one refresh, and a token that never lives so long is not fetched each time', async () => {
    const { page, tabs, who } = await open(exampleOf('carelink-tokens/client/get-token'));
    const before = await rotations(world, who);
    let sockets = 0;
    page.on('websocket', () => (sockets += 1));
    const open20 = () =>
      page.evaluate(() =>
        Promise.all(Array.from({ length: 20 }, () => window.example.openSocket())).then(
          (all) => new Set(all.map(({ url }) => new URL(url).pathname)).size,
        ),
      );
    expect(await open20()).toBe(1);
    await until(() => sockets === 20);
    expect(await rotations(world, who)).toBe(before + 1);
    const { token } = mintRefresh({ userId: who.minted.userId, tokenType: 'access', lifetimeSeconds: 50 });
    const site = world.site('cookie');
    site.fate = () => ({ access: token });
    await page.evaluate(() => window.example.tokens.refreshAccessToken());
    site.refreshes = 0;
    await open20();
    await open20();
    expect(site.refreshes).toBe(1);
    site.fate = () => 'pass';
    await tabs.context.close();
  });

  it('provideStorage in Node: signed in after a restart, one refresh for 20 requests, nothing left after a log-out', async () => {
    const site = world.site('session');
    const code = exampleOf('carelink-tokens/client/storage').replace('https://app.example.org', site.url);
    const file = join(folder, 'app.mjs');
    const minted = await world.rotation.login();
    const who = { minted, user: String(minted.userId) };
    const now = Math.floor(Date.now() / 1000);
    const { token: access } = mintRefresh({
      userId: minted.userId,
      tokenType: 'access',
      iatSeconds: now - 900,
      lifetimeSeconds: 899,
    });
    const run = async (then: string): Promise<unknown> => {
      const script = `${code}
        const say = (what) => process.stdout.write(JSON.stringify(what));
        ${then}
        await written();
        tokens.dispose();
        process.exit();`;
      writeFileSync(file, await bundleOf(script, 'node'));
      const { stdout } = await promisify(execFile)(process.execPath, [file], {
        cwd: folder,
        timeout: 60_000,
      });
      return JSON.parse(stdout);
    };
    const kept = () => readFileSync(join(folder, 'session.json'), 'utf8');
    await run(`await tokens.setTokens(${JSON.stringify({ access, refresh: minted.token })}); say(1);`);
    expect(kept()).toContain(minted.token);
    site.refreshes = 0;
    const send = `await tokens.ready; say(await Promise.all(Array.from({ length: 20 }, async () =>
        String((await (await tokens.authenticatedFetch(origin + '/api/x')).json()).user))));`;
    expect(await run(send)).toEqual(Array.from({ length: 20 }, () => who.user));
    expect([site.refreshes, await rotations(world, who)]).toEqual([1, 1]);
    expect(await run(send)).toEqual(Array.from({ length: 20 }, () => who.user));
    expect(site.refreshes).toBe(1);
    expect(await run('await tokens.ready; say(await tokens.logout());')).toBe(true);
    expect(kept()).not.toMatch(/ey[JA]/);
    expect(await liveTokens(world, who)).toBe(0);
  });
});
