/**
 * docs/django/adopt.md as somebody follows it: every block in its order, in a folder with nothing but a Django project made
 * from scratch, behind a real nginx, with clients that notice nothing. What each step prints is held against the page.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Agent, fetch } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { endWithUs } from '../support/end-with-us.js';
import { freePort } from '../support/free-port.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import {
  makeProject,
  serveProject,
  startSiteProxy,
  USER,
  type SiteProxy,
} from '../support/scratch-project.js';
import { BIN } from '../support/server.js';
import { services } from '../support/services.js';

const PAGE = readFileSync(new URL('../../docs/django/adopt.md', import.meta.url), 'utf8');
const [, STEPS = ''] = /^(## 1\.[^]*?)^## The env file/m.exec(PAGE) ?? [];

type Deed =
  { readonly kind: 'sh' | 'text' | 'nginx'; readonly text: string } | { readonly kind: 'key' | 'interrupt' };

/** What the page has its reader do and see, in its order. */
const DEEDS: readonly Deed[] = [
  ...STEPS.matchAll(
    /^```(sh|text|nginx)\n([^]*?)\n```|run the command under its step 1|Stop the \w+ with Ctrl-C/gm,
  ),
].map(([all, kind, text]) => {
  if (kind !== undefined) return { kind: kind as 'sh', text: text! };
  return { kind: all.startsWith('run') ? 'key' : 'interrupt' };
});

/** How many requests the shadow has seen is not of the page. */
const linesOf = (text: string): string[] =>
  text.split('\n').map((line) => line.replace(/^( +(?:passed on|judged) +)[1-9]\d*$/, '$1N'));

const found = services();
const ready = found.postgres !== undefined && found.django && found.nginx !== undefined;

describe.skipIf(!ready)('docs/django/adopt.md', () => {
  const home = mkdtempSync(join(tmpdir(), 'carelink-adopt-page-'));
  const opened: (() => Promise<void>)[] = [];
  /** Servers of the page, those that were started first in front. */
  const serving: ChildProcess[] = [];
  let database: FreshDatabase;
  let ports: Record<'site' | 'django' | 'shadow' | 'server' | 'shadowAdmin' | 'admin', number>;
  let proxy: SiteProxy;
  let site: string;
  let cwd = home;
  let printed = '';

  beforeAll(async () => {
    database = await freshDatabase();
    opened.push(() => database.drop());
    const free = [];
    for (let n = 0; n < 6; n++) free.push(await freePort());
    const [one, django, shadow, server, shadowAdmin, admin] = free as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    ports = { site: one, django, shadow, server, shadowAdmin, admin };
    site = `http://127.0.0.1:${one}`;
    makeProject(join(home, 'clinic'), database.url);
    const running = await serveProject(join(home, 'clinic'), django);
    opened.push(() => running.stop());
    proxy = await startSiteProxy(join(home, 'nginx'), one, django);
    opened.push(() => proxy.stop());
    mkdirSync(join(home, 'bin'));
    const command = (name: string, text: string) => {
      writeFileSync(join(home, 'bin', name), `#!/bin/sh\nexec ${text} "$@"\n`);
      chmodSync(join(home, 'bin', name), 0o755);
    };
    command('python', '/usr/bin/python3');
    command('sudo', '');
    command('nginx', proxy.command);
    command('carelink-tokens', `'${process.execPath}' '${BIN}'`);
    // Its installation wants the registry: package.long.test.ts does it.
    command('npm', 'true');
  });
  afterAll(async () => {
    for (const child of serving) child.kill('SIGKILL');
    for (const release of opened.reverse()) await release();
    rmSync(home, { recursive: true });
  });

  /** With the ports and the database of this test in place of the page's. */
  const here = (text: string): string =>
    text
      .replaceAll('postgres://app@127.0.0.1/clinic', database.url)
      .replaceAll('/etc/nginx', join(home, 'nginx'))
      .replaceAll('http://127.0.0.1/', `${site}/`)
      .replace(/\b(8001|8100|8200|9465)\b/g, (port) =>
        String(
          { 8001: ports.django, 8100: ports.shadow, 8200: ports.server, 9465: ports.shadowAdmin }[
            port as '8001'
          ],
        ),
      );
  const env = () => ({
    HOME: home,
    PATH: `${join(home, 'bin')}:${dirname(process.execPath)}:/usr/bin:/bin`,
    CARELINK_ADMIN_PORT: String(ports.admin),
  });

  /** One that goes on until Ctrl-C; it is there when this resolves. */
  async function serve(script: string): Promise<void> {
    const child = endWithUs(
      spawn('bash', ['-euc', script.replace(/^carelink-tokens/m, 'exec carelink-tokens')], {
        cwd,
        env: env(),
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
    serving.push(child);
    let told = '';
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`it ended: ${told}`)));
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          told += text;
          if (/\blistening\b/.test(told)) resolve();
        });
    });
  }

  async function run(text: string): Promise<void> {
    const script = here(text);
    if (/^carelink-tokens serve/m.test(script)) return serve(script);
    const place = join(home, 'place');
    const { stdout, stderr } = await promisify(execFile)(
      'bash',
      ['-euo', 'pipefail', '-c', `${script}\npwd > '${place}'`],
      { cwd, env: env(), maxBuffer: 16_000_000 },
    );
    cwd = readFileSync(place, 'utf8').trim();
    printed = stdout + stderr;
  }

  async function follow(deed: Deed, before: Deed | undefined): Promise<void> {
    switch (deed.kind) {
      case 'sh':
        return run(deed.text);
      case 'key':
        return run(`cd ~/clinic\n${/^ +(python manage\.py shell -c .*)$/m.exec(printed)![1]!}`);
      case 'nginx':
        writeFileSync(
          proxy.siteFile,
          readFileSync(proxy.siteFile, 'utf8').replace('location /', `${deed.text}\nlocation /`),
        );
        return;
      case 'interrupt': {
        const child = serving.shift()!;
        child.kill('SIGINT');
        expect((await once(child, 'exit'))[0]).toBe(0);
        return;
      }
      case 'text': {
        const wanted = linesOf(here(deed.text)).map((line) => line.replace(/….*/, '').trimEnd());
        const missing = () => {
          const lines = linesOf(printed);
          return wanted.filter((line) => !lines.some((one) => one.startsWith(line)));
        };
        // The shadow judges when the answer has gone out already: its reader may have to look twice.
        for (let tries = 0; tries < 100 && missing().length > 0; tries++) {
          if (before?.kind !== 'sh' || !before.text.endsWith('/shadow')) break;
          await run(before.text);
        }
        expect(missing()).toEqual([]);
      }
    }
  }

  /** A client that logs in, refreshes twice, verifies and logs out, all the time; how many times, and what went wrong. */
  function client() {
    const faults: string[] = [];
    // A reload of nginx closes connections that are kept, and a request may be on its way to one.
    const dispatcher = new Agent({ pipelining: 0 });
    let rounds = 0;
    let answeredHere = false;
    let going = true;
    const post = async (path: string, body: object) => {
      const response = await fetch(`${site}/api/token/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        dispatcher,
      });
      if (path === 'refresh/') answeredHere = response.headers.has('x-refresh-time');
      const text = await response.text();
      if (response.status !== 200) faults.push(`${path} ${response.status} ${text}`);
      return JSON.parse(text) as { refresh: string };
    };
    const ended = (async () => {
      while (going as boolean) {
        let { refresh } = await post('', { username: USER.name, password: USER.password });
        for (let n = 0; n < 2; n++) ({ refresh } = await post('refresh/', { refresh }));
        await post('verify/', { token: refresh });
        await post('blacklist/', { refresh });
        rounds++;
      }
    })()
      .catch((error: unknown) => {
        faults.push(`${String(error)} (${String((error as Error).cause)})`);
      })
      .finally(() => dispatcher.close());
    return {
      faults,
      rounds: () => rounds,
      /** Of the last refresh; Django has no such header. */
      answeredHere: () => answeredHere,
      async stop() {
        going = false;
        await ended;
      },
    };
  }

  it('leads through adopt, doctor and the shadow to the switch and back, and no client notices', async () => {
    expect(DEEDS.filter(({ kind }) => kind === 'sh').length).toBeGreaterThan(15);
    expect(DEEDS.filter(({ kind }) => kind === 'interrupt')).toHaveLength(3);
    const user = client();
    const turned: boolean[] = [];
    for (const [n, deed] of DEEDS.entries()) {
      await follow(deed, DEEDS[n - 1]);
      if (deed.kind !== 'sh' || !deed.text.includes('-s reload')) continue;
      // It takes effect a moment later.
      const rounds = user.rounds();
      await expect
        .poll(() => user.rounds() > rounds + 1 || user.faults.length > 0, { timeout: 60_000 })
        .toBe(true);
      turned.push(user.answeredHere());
    }
    await user.stop();
    expect(user.faults).toEqual([]);
    // Django by the switch, Django through the shadow, this server, Django again.
    expect(turned).toEqual([false, false, true, false]);
    expect(await query(database.url, "SELECT FROM pg_namespace WHERE nspname = 'carelink'")).toEqual([]);
  });
});
