import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Script } from 'node:vm';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { innerNames } from '../support/inner-names.js';

const file = (name: string): Buffer => readFileSync(new URL(`../../dist/client/${name}`, import.meta.url));

const ADAPTERS = ['axios', 'get-token', 'ky', 'react', 'storage'].map((name) => `adapters/${name}.js`);

const onServer = (script: string): string =>
  String(
    execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: new URL('../..', import.meta.url),
      timeout: 60_000,
    }),
  );

describe('what the browser loads', () => {
  it.each<readonly [string, number]>([
    ['token-manager.js', 5_500],
    ['idle.js', 1_500],
    ['worker.js', 1_000],
    ['service-worker.js', 3_000],
    ...ADAPTERS.map((name) => [name, 1_000] as const),
  ])('%s is under %i bytes, gzipped', (name, most) => {
    expect(gzipSync(file(name), { level: 9 }).length).toBeLessThan(most);
  });

  it('has short names only for what nobody outside of it sees', () => {
    const list = readFileSync(new URL('../../scripts/inner-names.json', import.meta.url), 'utf8');
    const inner = innerNames();
    const { properties } = JSON.parse(list) as { properties: Record<string, string> };
    expect(Object.keys(properties).filter((name) => !inner.has(name))).toEqual([]);
    const short = Object.values(properties);
    expect([new Set(short).size, short.filter((name) => inner.has(name))]).toEqual([short.length, []]);
  });

  it('imports nothing, and the worker is a classic script', () => {
    for (const name of ['token-manager.js', 'idle.js', 'worker.js', ...ADAPTERS])
      expect(file(name).toString()).not.toMatch(/\bimport\b\s*[{"'(]/);
    expect(() => new Script(file('service-worker.js').toString())).not.toThrow();
  });

  it('can be imported and made on a server, which ends as if it were not there', () => {
    const script = `const { TokenManager } = await import('carelink-tokens/client');
      const { idleLogOff } = await import('carelink-tokens/client/idle');
      const { refreshWorker } = await import('carelink-tokens/client/worker');
      const manager = new TokenManager({
        storage: 'session', serviceWorker: refreshWorker('/service-worker.js'), idle: idleLogOff({ after: '15m' }) });
      await manager.ready;
      const refused = await manager.refreshAccessToken().catch(({ code }) => code);
      process.stdout.write([manager.getSnapshot().status, refused, await manager.logout()].join());`;
    expect(onServer(script)).toBe('signedOut,SIGNED_OUT,true');
  });

  it('keeps no tokens on a server, where they would be those of another visitor next', () => {
    const script = `const { TokenManager } = await import('carelink-tokens/client');
      const manager = new TokenManager({ storage: 'cookie' });
      await manager.setTokens({ access: 'a', refresh: 'r' });
      process.stdout.write([manager.getSnapshot().status, manager.getAccessToken()].join());`;
    expect(onServer(script)).toBe('signedOut,');
  });
});
