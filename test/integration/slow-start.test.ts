import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { createSimplejwtTables, freshDatabase } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

/** Longer than a refresh may take, and than a Node takes to start: at least one try is in vain. */
const SLOW_MS = 3_000;

it.skipIf(services().postgres === undefined)(
  'a server starts on a database that takes longer to answer than a refresh may',
  async () => {
    const database = await freshDatabase();
    onTestFinished(() => database.drop());
    await createSimplejwtTables(database.url);
    await applyMigrations(database.url, { createTables: false });
    const url = new URL(database.url);
    const proxy = await startTcpProxy(Number(url.port));
    onTestFinished(() => proxy.stop());
    url.port = String(proxy.port);
    proxy.cut();
    const starting = startServer({ databaseUrl: url.href, args: ['--request-timeout', '500ms'] });
    await sleep(SLOW_MS);
    proxy.heal();
    const server = await starting;
    await server.stop();
    const told = server.output().match(/.*"event":"database_slow".*/g) ?? [];
    expect(told).toHaveLength(1);
    // Who is waited for, how long, and what may be the matter.
    expect(told[0]).toMatch(
      new RegExp(`waiting for up to \\d+ s more: PostgreSQL at .*:${proxy.port}, .*does a firewall`),
    );
  },
);
