/** What a server tells systemd, at a socket that is played from outside with the rules of sd_notify(3). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import type { FreshDatabase } from '../support/postgres.js';
import { childrenOf } from '../support/processes.js';
import { playServiceManager, type PlayedManager } from '../support/service-manager.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';

const ready = services().postgres !== undefined && services().systemdNotify !== undefined;

/** Twice as often a ping is due. */
const WATCHDOG_US = 400_000;

describe.skipIf(!ready)('a service manager', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await migratedDatabase();
  });
  afterAll(() => database.drop());

  const start = async (
    env: Readonly<Record<string, string>>,
    args: readonly string[] = [],
    nodeArgs: readonly string[] = [],
  ): Promise<TestServer> => {
    const server = await startServer({ databaseUrl: database.url, args, env, nodeArgs });
    onTestFinished(() => server.stop());
    return server;
  };
  const managed = async (
    env: Readonly<Record<string, string>> = {},
    args: readonly string[] = [],
  ): Promise<{ manager: PlayedManager; server: TestServer }> => {
    const manager = await playServiceManager();
    onTestFinished(() => manager.stop());
    return { manager, server: await start({ NOTIFY_SOCKET: manager.socket, ...env }, args) };
  };

  it('is told when the server serves, reads its keys again and stops, in this order', async () => {
    const { manager, server } = await managed();
    const ready = await manager.until((said) => said['READY'] === '1');
    expect(manager.told[ready]!.said['STATUS']).toBe(`serving at ${server.url}`);
    const before = manager.told.slice(0, ready).map(({ said }) => said);
    expect(before).toEqual([{}, { STATUS: 'starting' }]);

    const askedUs = Number(process.hrtime.bigint() / 1_000n);
    server.kill('SIGHUP');
    const reloading = await manager.until((said) => said['RELOADING'] === '1', ready + 1);
    const told = manager.told[reloading]!;
    // systemd takes a reload for its own only if it began after it had asked.
    expect(Number(told.said['MONOTONIC_USEC'])).toBeGreaterThanOrEqual(askedUs);
    expect(Number(told.said['MONOTONIC_USEC'])).toBeLessThanOrEqual(told.at_us);
    const again = await manager.until((said) => said['READY'] === '1', reloading + 1);
    expect(server.output()).toContain('"reload_unchanged"');

    await server.stop();
    const stopping = await manager.until((said) => said['STOPPING'] === '1', again);
    expect(manager.told.slice(reloading).map(({ said }) => Object.keys(said)[0])).toEqual([
      'RELOADING',
      'READY',
      'STOPPING',
    ]);
    expect(stopping).toBe(manager.told.length - 1);
  });

  it('that watches hears of the server in time, and nothing of one that hangs', async () => {
    const { manager, server } = await managed({ WATCHDOG_USEC: String(WATCHDOG_US) });
    const isPing = (said: Readonly<Record<string, string>>) => said['WATCHDOG'] === '1';
    let at = await manager.until((said) => said['READY'] === '1');
    const times = [manager.told[at]!.at_us];
    for (let pings = 0; pings < 4; pings++) {
      at = await manager.until(isPing, at + 1);
      times.push(manager.told[at]!.at_us);
    }
    const gaps = times.slice(1).map((time, n) => time - times[n]!);
    expect(Math.max(...gaps)).toBeLessThan(WATCHDOG_US);

    // The helper lives on: it must not speak for a server that does not.
    server.kill('SIGSTOP');
    const stoppedUs = Number(process.hrtime.bigint() / 1_000n);
    await new Promise((resolve) => setTimeout(resolve, (3 * WATCHDOG_US) / 1_000));
    const heardUs = manager.told.filter(({ said }) => isPing(said)).map(({ at_us }) => at_us);
    // One may have been on its way.
    expect(Math.max(...heardUs)).toBeLessThan(stoppedUs + WATCHDOG_US);
    server.kill('SIGCONT');
    await manager.until(isPing, manager.told.length);
  });

  it('that watches another process hears nothing, as sd_watchdog_enabled(3) has it', async () => {
    const { manager, server } = await managed({ WATCHDOG_USEC: '20000', WATCHDOG_PID: '1' });
    await manager.until((said) => said['READY'] === '1');
    await server.stop();
    await manager.until((said) => said['STOPPING'] === '1');
    expect(manager.told.filter(({ said }) => 'WATCHDOG' in said)).toEqual([]);
  });

  it('hears the first of several processes alone, once all of them listen', async () => {
    const { manager, server } = await managed({}, ['--workers', '2']);
    await manager.until((said) => said['READY'] === '1');
    await server.stop();
    await manager.until((said) => said['STOPPING'] === '1');
    expect(manager.told.filter(({ said }) => 'READY' in said)).toHaveLength(1);
    expect(manager.told.filter(({ said }) => said['STATUS'] === 'starting')).toHaveLength(1);
  });

  it('is told again after the helper was killed, and the server has not felt it', async () => {
    const { manager, server } = await managed({ WATCHDOG_USEC: String(WATCHDOG_US) });
    await manager.until((said) => said['WATCHDOG'] === '1');
    const [helper] = childrenOf(server.pid);
    process.kill(helper!, 'SIGKILL');
    await manager.until((said) => said['WATCHDOG'] === '1', manager.told.length);
    expect((await fetch(`${server.adminUrl}/healthz`)).status).toBe(200);
  });

  it('that nobody can answer is named once, and the server serves', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'carelink-no-notify-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const { server } = await managed({ PATH: directory, WATCHDOG_USEC: '100000' });
    await expect.poll(() => server.output(), { timeout: 10_000 }).toContain('"service_manager_not_told"');
    expect((await fetch(`${server.adminUrl}/healthz`)).status).toBe(200);
    await server.stop();
    expect(server.output().match(/service_manager_not_told/g)).toHaveLength(1);
    expect(server.output()).toContain('there is no program systemd-notify');
  });

  it('that there is none of costs nothing: no process, and nothing is loaded', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'carelink-loaded-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const list = join(directory, 'loaded');
    writeFileSync(list, '');
    const server = await start(
      { LOADED_MODULES: list },
      [],
      ['--import', './test/support/loaded-modules.mjs'],
    );
    expect(childrenOf(server.pid)).toEqual([]);
    const has = (module: string) => readFileSync(list, 'utf8').includes(module);
    // Loaded after it: by then this one would be, too.
    await expect.poll(() => has('src/compose/reloads.ts')).toBe(true);
    expect(has('src/compose/service-manager.ts')).toBe(false);
    // Nor is there a Redis, or anybody to post alerts to.
    expect(has('/node_modules/pg/')).toBe(true);
    for (const client of ['/node_modules/ioredis/', '/node_modules/undici/']) expect(has(client)).toBe(false);
  });
});
