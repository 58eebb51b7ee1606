import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import type { TokenManager } from '../../../src/client/token-manager.js';
import { rotationWorld, type RotationWorld } from '../../support/rotation-world.js';
import { startServer, type TestServer } from '../../support/server.js';
import { services } from '../../support/services.js';
import { mintRefresh, type MintedToken } from '../../support/tokens.js';
import { launchChromium } from './engines/chromium.js';
import type { Engine, EngineName, Profile, Tab } from './engines/engine.js';
import { ENGINES } from './engines/index.js';
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
    /** The same of requests whose answers are late. */
    late: Promise<string[]>;
    garbage: unknown;
    /** The maker of a manager's option `serviceWorker`. */
    worker: (url: string) => never;
  }
}

/** A status, or an error's code. */
export type Outcome = number | string;

export type Mode = 'memory' | 'session' | 'cookie';
export const MODES: readonly Mode[] = ['memory', 'session', 'cookie'];

/** The tokens of the users and what their tabs speak to. */
export interface World {
  readonly rotation: RotationWorld;
  site(mode: Mode): Site;
}

export interface OpenTabs {
  readonly context: Profile;
  readonly pages: Tab[];
}

export interface ClientWorld extends World {
  /** A profile with that many tabs, each with a manager. */
  tabs(mode: Mode, count: number, query?: Query): Promise<Tabs>;
}

type Query = string | ((n: number) => string);

/** In Chromium, as Playwright has them. */
export interface Tabs extends OpenTabs {
  readonly context: BrowserContext;
  readonly pages: Page[];
}

export interface EngineWorld extends World {
  readonly engine: Engine;
  tabs(mode: Mode, count: number, query?: Query): Promise<OpenTabs>;
  /** Where that profile finds the site. */
  url(mode: Mode, profile: Profile): string;
}

export interface Login {
  readonly minted: MintedToken;
  readonly user: string;
}

/** @param more options of the servers */
export function clientWorld(...more: string[]): ClientWorld {
  let browser: Browser;
  const world = servers(more, async () => {
    browser = await launchChromium(services().chromium!);
  });
  afterAll(() => browser.close());
  return {
    ...world,
    async tabs(mode, count, query) {
      const context = await browser.newContext();
      return { context, pages: await openTabs(context, world.site(mode).url, mode, count, query) };
    },
  };
}

/** The same in any engine, which is started once. */
export function engineWorld(name: EngineName): EngineWorld {
  let engine: Engine;
  const world = servers(
    [],
    async () => {
      engine = await ENGINES[name].start();
    },
    ENGINES[name].needsHttps,
  );
  afterAll(() => engine.close());
  const url = (mode: Mode, { host }: Profile): string =>
    host ? world.site(mode).url.replace(/127\.0\.0\.1|localhost/, host) : world.site(mode).url;
  return {
    ...world,
    get engine() {
      return engine;
    },
    url,
    async tabs(mode, count, query) {
      const context = await engine.newProfile();
      return { context, pages: await openTabs(context, url(mode, context), mode, count, query) };
    },
  };
}

/** @param https for the cookie mode */
function servers(more: readonly string[], launch: () => Promise<void>, https = false): World {
  const rotation = rotationWorld();
  const running: TestServer[] = [];
  const sites: Partial<Record<'body' | 'cookie', Site>> = {};
  beforeAll(async () => {
    const start = async (name: 'body' | 'cookie', args: string[]) => {
      const server = await startServer({
        databaseUrl: rotation.url,
        args: ['--reuse-grace', '20s', ...more, ...args],
      });
      running.push(server);
      sites[name] = await startSite(server.url, { https: https && name === 'cookie' });
    };
    await Promise.all([launch(), start('body', []), start('cookie', ['--refresh-cookie'])]);
  });
  afterAll(async () => {
    for (const site of Object.values(sites)) await site.close();
    for (const server of running) await server.stop();
  });
  return { rotation, site: (mode) => sites[mode === 'cookie' ? 'cookie' : 'body']! };
}

async function openTabs<P extends Tab>(
  context: { newPage(): Promise<P> },
  url: string,
  mode: Mode,
  count: number,
  query: Query = '',
): Promise<P[]> {
  const pages: P[] = [];
  for (let n = 0; n < count; n++) {
    const page = await context.newPage();
    await page.goto(`${url}/?storage=${mode}&${typeof query === 'string' ? query : query(n)}`);
    await page.waitForFunction(() => window.up === true);
    pages.push(page);
  }
  return pages;
}

/** Short, so that nobody takes one that has expired for a new one. */
const EXPIRED_LIFE_SECONDS = 1;

/** A user who logs in in the first tab, with an access token that lives so long: one that has expired, if not given. */
export async function login(
  world: World,
  mode: Mode,
  { pages }: Pick<OpenTabs, 'pages'>,
  lifeSeconds?: number,
): Promise<Login> {
  const minted = await world.rotation.login();
  const now = Math.floor(Date.now() / 1000);
  const access = mintRefresh({
    userId: minted.userId,
    tokenType: 'access',
    ...(lifeSeconds === undefined
      ? { iatSeconds: now - 3, lifetimeSeconds: EXPIRED_LIFE_SECONDS }
      : { iatSeconds: now, lifetimeSeconds: lifeSeconds }),
  });
  const pair = { access: access.token, refresh: minted.token };
  const site = world.site(mode);
  const { fate } = site;
  // In cookie mode the log-in's tokens are exchanged at once.
  site.fate = () => ({ access: access.token });
  await pages[0]!.evaluate((tokens) => window.manager.setTokens(tokens), pair);
  const exchangedMs = Date.now();
  // A tab that was too busy to hear of the session is reloaded once more, as its user would.
  const join = async (): Promise<void> => {
    do await window.make();
    while (window.manager.getSnapshot().status !== 'signedIn');
  };
  await Promise.all(pages.slice(1).map((page) => page.evaluate(join)));
  // What a refresh has brought is of use for half of its life, whatever its times say.
  if (mode === 'cookie' && lifeSeconds === undefined)
    await until(() => Date.now() > exchangedMs + EXPIRED_LIFE_SECONDS * 500);
  site.fate = fate;
  site.refreshes = 0;
  site.refused = 0;
  return { minted, user: String(minted.userId) };
}

/** Three requests of each tab are answered, as that user, who is signed in in all of them. */
export async function allAnswered({ pages }: OpenTabs, { user }: Login): Promise<void> {
  for (const [answers, status] of await Promise.all(
    pages.map((page) =>
      page.evaluate(async () => [await window.fire(3), window.manager.getSnapshot().status] as const),
    ),
  )) {
    expect([answers, status]).toEqual([Array.from({ length: 3 }, () => [200, user]), 'signedIn']);
  }
}

/** Rotations of a user so far, as the tables have them. */
export async function rotations(world: World, { minted }: Login): Promise<number> {
  const [row] = await world.rotation.sql<{ n: number }>(
    'SELECT count(*)::int AS n FROM token_blacklist_outstandingtoken WHERE user_id = $1',
    [minted.userId],
  );
  return row!.n - 1;
}

/** Tokens of a user that could still be refreshed. */
export async function liveTokens(world: World, { minted }: Login): Promise<number> {
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
