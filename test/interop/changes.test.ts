import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDjango, type Django } from '../support/django.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { startServer, type TestServer } from '../support/server.js';
import { services } from '../support/services.js';
import { run } from '../cli/run.js';
import { blacklist, NO_ACTIVE_ACCOUNT, pairOf, refresh } from './api.js';

const ready = services().postgres !== undefined && services().django;

/**
 * "Within a second" on a busy machine. The bound is only there so that something is a failure: what it takes is
 * measured by `npm run benchmark notify`.
 */
const BOUND_MS = 20_000;

describe.skipIf(!ready)('what Django does by itself', () => {
  let database: FreshDatabase;
  let django: Django;
  let servers: TestServer[];

  beforeAll(async () => {
    database = await freshDatabase();
    django = await startDjango({ database: database.url });
    const args = ['migrate', '--notify', '--database-url', database.url];
    expect(await run(args)).toMatchObject({ code: 0 });
    servers = await Promise.all(
      [1, 2].map(() => startServer({ databaseUrl: database.url, args: ['--blacklist', 'sync'] })),
    );
    for (const server of servers) await until(async () => (await checks(server))['changes'] === 'ok');
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await django.stop();
    await database.drop();
  });

  test('a log-out is known to every instance, and what it called active it calls spent', async () => {
    const user = await django.makeUser();
    const { refresh: login } = await django.mint(user);
    const before = await Promise.all(
      servers.map((server) => count(server, 'carelink_changes_total', 'blacklisted')),
    );
    const spentBefore = await count(servers[0]!, 'carelink_cache_lookups_total', 'spent');
    const { refresh: token } = pairOf(await refresh(servers[0]!.url, login));
    expect((await blacklist(django.url, token)).status).toBe(200);
    for (const [n, server] of servers.entries()) {
      // One: our own rotation before it was nothing to tell of.
      await until(async () => (await count(server, 'carelink_changes_total', 'blacklisted')) > before[n]!);
      expect(await count(server, 'carelink_changes_total', 'blacklisted')).toBe(before[n]! + 1);
    }
    expect((await refresh(servers[0]!.url, token)).status).toBe(401);
    expect(await count(servers[0]!, 'carelink_cache_lookups_total', 'spent')).toBe(spentBefore + 1);
    expect((await refresh(servers[1]!.url, token)).status).toBe(401);
  });

  test.each([
    ['deactivated', (user: string) => django.deactivateUser(user)],
    ['deleted', (user: string) => django.deleteUser(user)],
  ])('a user who was %s is told to every instance, and goes on at none', async (_, end) => {
    const user = await django.makeUser();
    const tokens = await Promise.all(servers.map(() => django.mint(user)));
    const before = await Promise.all(
      servers.map((server) => count(server, 'carelink_changes_total', 'user')),
    );
    const pairs = await Promise.all(
      servers.map(async (server, n) => pairOf(await refresh(server.url, tokens[n]!.refresh))),
    );
    await end(user);
    for (const [n, server] of servers.entries()) {
      await until(async () => (await count(server, 'carelink_changes_total', 'user')) > before[n]!);
      expect(await refresh(server.url, pairs[n]!.refresh)).toMatchObject({
        status: 401,
        body: NO_ACTIVE_ACCOUNT,
      });
    }
  });

  test("a listener that is killed is missed by /readyz's checks and metrics, and comes back", async () => {
    const gaps = await Promise.all(servers.map((server) => count(server, 'carelink_changes_total', 'gap')));
    await query(
      database.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'carelink-tokens listen'`,
    );
    for (const [n, server] of servers.entries()) {
      await until(async () => (await count(server, 'carelink_changes_total', 'gap')) > gaps[n]!);
      await until(async () => (await checks(server))['changes'] === 'ok');
      expect(server.output()).toContain('"event":"changes_missed"');
      expect(await count(server, 'carelink_change_feed_alive')).toBe(1);
    }
  });
});

async function until(done: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + BOUND_MS;
  while (!(await done())) {
    if (Date.now() > deadlineMs) throw new Error('not known in time');
    await sleep(20);
  }
}

async function checks(server: TestServer): Promise<Record<string, string>> {
  const body = (await (await fetch(`${server.adminUrl}/readyz`)).json()) as {
    checks: Record<string, string>;
  };
  return body.checks;
}

/** A sample of /metrics; with one label's value. */
async function count(server: TestServer, metric: string, label?: string): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  const line = text
    .split('\n')
    .find((one) => one.startsWith(metric) && (label === undefined || one.includes(`"${label}"`)));
  return Number(line?.split(' ').at(-1) ?? 0);
}
