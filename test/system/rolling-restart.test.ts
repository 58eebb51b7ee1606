import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { startLoad } from '../support/fleet.js';
import { freePort } from '../support/free-port.js';
import { NOTICED_MS, startHaProxy } from '../support/haproxy.js';
import { createSimplejwtTables, createUsers, freshDatabase } from '../support/postgres.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';

const USERS = 10;

it.skipIf(services().postgres === undefined || services().haproxy === undefined)(
  'a rolling restart behind HAProxy under load, with --drain-delay, loses no request: one process, and --workers',
  async () => {
    const database = await freshDatabase();
    onTestFinished(() => database.drop());
    await createSimplejwtTables(database.url);
    await applyMigrations(database.url, { createTables: false });
    const places: { readonly port: number; readonly adminPort: number }[] = [];
    for (let n = 0; n < 2; n++) places.push({ port: await freePort(), adminPort: await freePort() });
    const start = ({ port, adminPort }: (typeof places)[number], n: number): Promise<TestServer> => {
      const ports = ['--port', String(port), '--admin-port', String(adminPort)];
      const args = [...ports, '--drain-delay', `${NOTICED_MS}ms`, '--workers', String(n + 1)];
      return startServer({ databaseUrl: database.url, args });
    };
    const servers = await Promise.all(places.map(start));
    onTestFinished(() => void Promise.all(servers.map((server) => server.stop())));
    const proxy = await startHaProxy(places);
    onTestFinished(() => proxy.stop());
    const logins = await issueTokens(database.url, await createUsers(database.url, USERS));
    // Until the first checks have passed there is nobody to send to.
    await sleep(NOTICED_MS);
    const load = startLoad({ logins, urls: () => [proxy.url], twins: 0, pauseMs: 60 });
    for (const [n, place] of places.entries()) {
      const before = load.attempts.length;
      await servers[n]!.stop();
      expect(servers[n]!.output()).toMatch(/"event":"draining"/);
      servers[n] = await start(place, n);
      // The other one must not go before this one is known to be back.
      await sleep(NOTICED_MS);
      expect(load.attempts.length).toBeGreaterThan(before);
    }
    await load.stop();
    const lost = load.attempts.filter(({ status }) => status !== 200);
    expect(lost.map(({ status }) => status)).toEqual([]);
    expect(load.attempts.length).toBeGreaterThan(10 * USERS);
  },
);
