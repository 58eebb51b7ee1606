import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import type { TokenManager } from '../../../src/client/token-manager.js';
import { rotationWorld, type RotationWorld } from '../../support/rotation-world.js';
import { startServer, type TestServer } from '../../support/server.js';
import { services } from '../../support/services.js';
import { mintRefresh, type MintedToken } from '../../support/tokens.js';
import { startSite, type Site } from './site.js';

declare global {
  interface Window {
    manager: TokenManager;
    events: [string, Record<string, unknown>][];
    up?: boolean;
    /** Whether the page has come out of the back-forward cache. */
    persisted?: boolean;
    make(): Promise<unknown>;
    fire(count: number): Promise<[number | string, string][]>;
    /** What came of requests that a test has sent and not waited for. */
    outcomes: Promise<Outcome[]>;
  }
}

/** A status, or an error's code. */
export type Outcome = number | string;

export type Mode = 'memory' | 'session' | 'cookie';
export const MODES: readonly Mode[] = ['memory', 'session', 'cookie'];

export interface ClientWorld {
  readonly rotation: RotationWorld;
  site(mode: Mode): Site;
  /** A profile with that many tabs, each with a manager. */
  tabs(mode: Mode, count: number, query?: string | ((n: number) => string)): Promise<Tabs>;
}

export interface Tabs {
  readonly context: BrowserContext;
  readonly pages: Page[];
}

export interface Login {
  readonly minted: MintedToken;
  readonly user: string;
}

/** @param more options of the servers */
export function clientWorld(...more: string[]): ClientWorld {
  const rotation = rotationWorld();
  const servers: TestServer[] = [];
  const sites: Partial<Record<'body' | 'cookie', Site>> = {};
  let browser: Browser;
  beforeAll(async () => {
    const start = async (name: 'body' | 'cookie', args: string[]) => {
      const server = await startServer({
        databaseUrl: rotation.url,
        args: ['--reuse-grace', '20s', ...more, ...args],
      });
      servers.push(server);
      sites[name] = await startSite(server.url);
    };
    [browser] = await Promise.all([
      chromium.launch({
        executablePath: services().chromium!,
        args: ['--no-sandbox', '--disable-quic', '--disable-background-networking'],
        ignoreDefaultArgs: ['--disable-back-forward-cache'],
      }),
      start('body', []),
      start('cookie', ['--refresh-cookie']),
    ]);
  });
  afterAll(async () => {
    await browser.close();
    for (const site of Object.values(sites)) await site.close();
    for (const server of servers) await server.stop();
  });
  const site = (mode: Mode): Site => sites[mode === 'cookie' ? 'cookie' : 'body']!;
  return {
    rotation,
    site,
    async tabs(mode, count, query = '') {
      const context = await browser.newContext();
      const open = async (n: number): Promise<Page> => {
        const page = await context.newPage();
        await page.goto(`${site(mode).url}/?storage=${mode}&${typeof query === 'string' ? query : query(n)}`);
        await page.waitForFunction(() => window.up === true);
        return page;
      };
      const pages: Page[] = [];
      for (let n = 0; n < count; n++) pages.push(await open(n));
      return { context, pages };
    },
  };
}

/** A user who logs in in the first tab, with an access token that lives so long: one that has expired, if not given. */
export async function login(
  world: ClientWorld,
  mode: Mode,
  { pages }: Tabs,
  lifeSeconds?: number,
): Promise<Login> {
  const minted = await world.rotation.login();
  const now = Math.floor(Date.now() / 1000);
  const access = mintRefresh({
    userId: minted.userId,
    tokenType: 'access',
    ...(lifeSeconds === undefined
      ? { iatSeconds: now - 900, lifetimeSeconds: 899 }
      : { iatSeconds: now, lifetimeSeconds: lifeSeconds }),
  });
  const pair = { access: access.token, refresh: minted.token };
  const site = world.site(mode);
  const { fate } = site;
  // In cookie mode the log-in's tokens are exchanged at once.
  site.fate = () => ({ access: access.token });
  await pages[0]!.evaluate((tokens) => window.manager.setTokens(tokens), pair);
  // A tab that was too busy to hear of the session is reloaded once more, as its user would.
  const join = async (): Promise<void> => {
    do await window.make();
    while (window.manager.getSnapshot().status !== 'signedIn');
  };
  await Promise.all(pages.slice(1).map((page) => page.evaluate(join)));
  site.fate = fate;
  site.refreshes = 0;
  site.refused = 0;
  return { minted, user: String(minted.userId) };
}

/** Three requests of each tab are answered, as that user, who is signed in in all of them. */
export async function allAnswered({ pages }: Tabs, { user }: Login): Promise<void> {
  for (const [answers, status] of await Promise.all(
    pages.map((page) =>
      page.evaluate(async () => [await window.fire(3), window.manager.getSnapshot().status] as const),
    ),
  )) {
    expect([answers, status]).toEqual([Array.from({ length: 3 }, () => [200, user]), 'signedIn']);
  }
}

/** Rotations of a user so far, as the tables have them. */
export async function rotations(world: ClientWorld, { minted }: Login): Promise<number> {
  const [row] = await world.rotation.sql<{ n: number }>(
    'SELECT count(*)::int AS n FROM token_blacklist_outstandingtoken WHERE user_id = $1',
    [minted.userId],
  );
  return row!.n - 1;
}

/** Tokens of a user that could still be refreshed. */
export async function liveTokens(world: ClientWorld, { minted }: Login): Promise<number> {
  const [row] = await world.rotation.sql<{ n: number }>(
    `SELECT count(*)::int AS n FROM token_blacklist_outstandingtoken AS o WHERE user_id = $1
        AND NOT EXISTS (SELECT FROM token_blacklist_blacklistedtoken AS b WHERE b.token_id = o.id)`,
    [minted.userId],
  );
  return row!.n;
}

export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
