/** The client's own package, packed and installed into an empty folder without a network: what a stranger's front end gets. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TokenManager } from '../../src/client/token-manager.js';
import { startDjango, type Django } from '../support/django.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { mintRefresh } from '../support/tokens.js';
import { clientWorld, liveTokens, rotations } from './support/world.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const NAME = '@carelink-tokens/client';
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

const folder = mkdtempSync(join(tmpdir(), 'carelink-client-'));
const app = join(folder, 'app');
let packed: Packed;

beforeAll(() => {
  const made = join(folder, 'made');
  execFileSync(process.execPath, [join(root, 'scripts/client-package.mjs'), made]);
  // An empty cache: what it would need besides could come from nowhere.
  const env = { ...process.env, npm_config_cache: join(folder, 'cache') };
  const npm = (...args: string[]) => execFileSync('npm', args, { cwd: app, env, encoding: 'utf8' });
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{"private":true,"type":"module"}');
  [packed] = JSON.parse(npm('pack', '--json', '--pack-destination', folder, made)) as [Packed];
  npm('install', '--offline', '--no-audit', '--no-fund', join(folder, packed.filename));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, { readonly default?: string }>>;
}
const ours = () => JSON.parse(textOf('package.json')) as Manifest;
const theirs = () =>
  JSON.parse(readFileSync(join(app, 'node_modules', NAME, 'package.json'), 'utf8')) as Manifest;
/** `@carelink-tokens/client/axios` and the like. */
const entries = () => Object.keys(theirs().exports).map((name) => name.replace('.', NAME));

/** A program for each entry. */
const PROGRAMS: Readonly<Record<string, string>> = {
  '': `import { TokenManager, TokenError, type TokenSnapshot } from '${NAME}';
    export const tokens = new TokenManager({ storage: 'cookie', allowedOrigins: ['https://api.example.org'] });
    export const snapshot: TokenSnapshot = tokens.getSnapshot();
    export const code = (error: TokenError): 'SIGNED_OUT' | string => error.code;
    tokens.on('signedOut', ({ where }) => where === 'idle');
    // @ts-expect-error no such storage
    new TokenManager({ storage: 'nowhere' });`,
  '/axios': `import axios from 'axios';
    import { axiosWithTokens } from '${NAME}/axios';
    import { tokens } from './main.js';
    export const answer: Promise<number> = axiosWithTokens(axios.create(), tokens).get('/').then(({ status }) => status);`,
  '/ky': `import ky from 'ky';
    import { kyWithTokens } from '${NAME}/ky';
    import { tokens } from './main.js';
    export const answer: Promise<string> = kyWithTokens(ky, tokens, { except: ['/login/'] }).get('/').text();`,
  '/react': `import { sessionHook, type UseSyncExternalStore } from '${NAME}/react';
    import { tokens } from './main.js';
    declare const useSyncExternalStore: UseSyncExternalStore;
    export const status: 'restoring' | 'signedIn' | 'signedOut' = sessionHook(tokens, useSyncExternalStore)().status;`,
  '/get-token': `import { getToken } from '${NAME}/get-token';
    import { tokens } from './main.js';
    export const token: Promise<string> = getToken(tokens, { minValiditySeconds: 60 });`,
  '/storage': `import { provideStorage } from '${NAME}/storage';
    export const written: Promise<() => Promise<void>> = provideStorage({ getItem: () => null, setItem: () => undefined });`,
  '/debug': `import { debugRefreshes } from '${NAME}/debug';
    import { tokens } from './main.js';
    export const end: () => void = debugRefreshes(tokens, (note) => note.what === 'waits' && note.why);`,
  '/idle': `import { TokenManager } from '${NAME}';
    import { idleLogOff } from '${NAME}/idle';
    const idle = idleLogOff({ after: '15m' });
    export const tokens = new TokenManager({ idle });
    idle.stay();
    // @ts-expect-error no duration
    idleLogOff({ after: '15 minutes' });`,
  '/worker': `import { TokenManager } from '${NAME}';
    import { refreshWorker } from '${NAME}/worker';
    export const tokens = new TokenManager({ serviceWorker: refreshWorker('/service-worker.js') });`,
  '/service-worker': `import '${NAME}/service-worker';`,
};
/** The examples' own libraries, as the app would have installed them. */
const LIBRARIES = ['axios', 'ky', 'react', 'react-dom', 'scheduler'];

describe('the package of the client', () => {
  it('has the entries that the main package has under ./client, its version, and needs nothing', () => {
    const { version, ...manifest } = theirs();
    expect(version).toBe(ours().version);
    expect(manifest).not.toHaveProperty('dependencies');
    expect(manifest).not.toHaveProperty('peerDependencies');
    const wanted = Object.keys(ours().exports)
      .filter((name) => /^\.\/(client|service-worker|package\.json)/.test(name))
      .map((name) => name.replace(/^\.\/client/, '.'));
    expect(Object.keys(manifest.exports).sort()).toEqual(wanted.sort());
    expect(textOf('src/client/README.md').match(/^\| `.*?`/gm)).toEqual(
      expect.arrayContaining(
        entries()
          .filter((name) => !name.endsWith('json'))
          .map((name) => `| \`${name}\``),
      ),
    );
  });

  it('can be imported in Node, every entry, and changes nothing there', () => {
    writeFileSync(
      join(app, 'program.js'),
      `import { readFileSync } from 'node:fs';
       import { Script } from 'node:vm';
       const before = Reflect.ownKeys(globalThis).length;
       const told = {};
       for (const entry of ${JSON.stringify(entries())})
         if (entry.endsWith('json')) continue;
         // A classic script, for a worker.
         else if (entry.endsWith('service-worker')) new Script(readFileSync(new URL(import.meta.resolve(entry)), 'utf8'));
         else told[entry.slice('${NAME}'.length)] = Object.keys(await import(entry)).sort().join();
       told.added = Reflect.ownKeys(globalThis).length - before;
       console.log(JSON.stringify(told));`,
    );
    const told = execFileSync(process.execPath, ['program.js'], { cwd: app, encoding: 'utf8' });
    expect(JSON.parse(told)).toEqual({
      '': 'TokenError,TokenManager',
      '/axios': 'axiosWithTokens',
      '/debug': 'debugRefreshes',
      '/get-token': 'getToken',
      '/ky': 'kyWithTokens',
      '/react': 'sessionHook',
      '/storage': 'provideStorage',
      '/idle': 'idleLogOff',
      '/worker': 'refreshWorker',
      added: 0,
    });
  });

  it.each(['nodenext', 'bundler'])(
    'its types hold for a program of each entry, with library checks, %s; nothing else is inside',
    (moduleResolution) => {
      for (const name of LIBRARIES) rmSync(join(app, 'node_modules', name), { force: true, recursive: true });
      for (const name of LIBRARIES)
        symlinkSync(join(root, 'node_modules', name), join(app, 'node_modules', name));
      expect(Object.keys(PROGRAMS).sort()).toEqual(
        entries()
          .filter((name) => !name.endsWith('json'))
          .map((name) => name.slice(NAME.length))
          .sort(),
      );
      const files = Object.entries(PROGRAMS).map(([entry, text]) => {
        const file = `${entry.slice(1) || 'main'}.ts`;
        writeFileSync(join(app, file), text);
        return file;
      });
      const compilerOptions = {
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        module: moduleResolution === 'bundler' ? 'esnext' : moduleResolution,
        moduleResolution,
        target: 'es2022',
        lib: ['es2022', 'dom', 'dom.iterable'],
        types: [],
      };
      writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
      const tsc = [join(root, 'node_modules/typescript/bin/tsc'), '-p', app, '--listFiles'];
      const { status, stdout } = spawnSync(process.execPath, tsc, { encoding: 'utf8' });
      expect([status, stdout.match(/^.*error TS.*$/gm)]).toEqual([0, null]);
      // No file of types that no entry leads to.
      const inside = `node_modules/${NAME}/`;
      const read = stdout.split('\n').filter((file) => file.includes(inside));
      const scripts = Object.values(theirs().exports).flatMap(({ default: file }) =>
        file === undefined ? [] : [file.slice(2), `${file.slice(2)}.map`],
      );
      expect(packed.files.map(({ path }) => path).sort()).toEqual(
        [
          ...['LICENSE', 'README.md', 'package.json'],
          ...scripts,
          ...read.map((file) => file.slice(file.indexOf(inside) + inside.length)),
        ].sort(),
      );
    },
  );

  it('is small', () => {
    console.log(`${NAME}: ${packed.size} bytes packed, ${packed.unpackedSize} unpacked`);
    expect(packed.size).toBeLessThan(80_000);
    expect(packed.unpackedSize).toBeLessThan(250_000);
  });
});

const found = services();
describe.skipIf(found.chromium === undefined || found.postgres === undefined || !found.django)(
  'in Chromium, through a bundler',
  () => {
    const world = clientWorld();
    let database: FreshDatabase;
    let django: Django;
    beforeAll(async () => {
      database = await freshDatabase();
      django = await startDjango({ database: database.url });
    });
    afterAll(async () => {
      await django.stop();
      await database.drop();
    });

    async function bundleOf(name: string, text: string): Promise<string> {
      writeFileSync(join(app, name), text);
      const bundle = await rolldown({
        input: join(app, name),
        platform: 'browser',
        logLevel: 'silent',
        transform: { define: { 'process.env.NODE_ENV': '"production"' } },
      });
      const { output } = await bundle.generate({ format: 'esm' });
      expect(Object.keys(output[0].modules).filter((file) => file.includes(`/${NAME}/`))).not.toEqual([]);
      return output[0].code;
    }

    async function pageAt(url: string, html: string, script: string) {
      const { context } = await world.tabs('memory', 0);
      const page = await context.newPage();
      await page.route('**/app/**', (route) =>
        new URL(route.request().url()).pathname.endsWith('app.js')
          ? route.fulfill({ contentType: 'text/javascript', body: script })
          : route.fulfill({ contentType: 'text/html', body: html }),
      );
      await page.goto(`${url}/app/`);
      return page;
    }

    it("the example of its README signs in, asks and logs out at Django's own endpoints", async () => {
      const [, example] = /^```js\n([^]+?)^```/m.exec(textOf('src/client/README.md'))!;
      const username = 'nurse';
      const userId = await django.makeUser({ username, password: 'a long one' });
      // The paths of this Django.
      const script = example!
        .replace('/api/token/', '/account/token/')
        .replace('/api/patients/', '/whoami/')
        .replace(
          'await tokens.logout()',
          'window.answer = await response.json(); window.left = await tokens.logout()',
        );
      const bundle = await bundleOf(
        'readme.js',
        `const logIn = async () => window.pair;
         ${script}`,
      );
      const page = await pageAt(django.url, '<!doctype html>', bundle);
      const pair = await django.obtain(username, 'a long one');
      await page.evaluate((tokens) => Object.assign(window, { pair: tokens }), pair);
      await page.addScriptTag({ type: 'module', url: '/app/app.js' });
      const left = await page.waitForFunction(
        () => 'left' in window && [window.left, 'answer' in window && window.answer],
      );
      expect(await left.jsonValue()).toEqual([true, { user_id: userId }]);
      const rows = await query(database.url, 'SELECT id FROM token_blacklist_blacklistedtoken');
      expect(rows).toHaveLength(1);
    });

    it('examples/react shows who is signed in, refreshes once at our server, and logs out', async () => {
      const example = textOf('examples/react/app.jsx').replaceAll("'carelink-tokens/client", `'${NAME}`);
      const bundle = await bundleOf('example.jsx', example);
      const site = world.site('memory');
      const page = await pageAt(site.url, textOf('examples/react/index.html'), bundle);
      await page.waitForFunction(() => document.getElementById('status')?.textContent === 'signedOut');
      const minted = await world.rotation.login();
      const access = mintRefresh({
        userId: minted.userId,
        tokenType: 'access',
        iatSeconds: Math.floor(Date.now() / 1000) - 900,
        lifetimeSeconds: 899,
      });
      site.refreshes = 0;
      await page.evaluate((pair) => (window as unknown as { tokens: TokenManager }).tokens.setTokens(pair), {
        access: access.token,
        refresh: minted.token,
      });
      await page.waitForFunction(
        (user) => document.getElementById('answer')?.textContent.includes(`"user":${user}`),
        minted.userId,
      );
      const who = { minted, user: String(minted.userId) };
      expect([site.refreshes, await rotations(world, who)]).toEqual([1, 1]);
      await page.click('#logout');
      await page.waitForFunction(() => document.getElementById('status')?.textContent === 'signedOut');
      await expect.poll(() => liveTokens(world, who)).toBe(0);
    });
  },
);
