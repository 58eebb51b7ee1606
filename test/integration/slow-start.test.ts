import { expect, it, onTestFinished } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { createSimplejwtTables, freshDatabase } from '../support/postgres.js';
import { startServer } from '../support/server.js';
import { services } from '../support/services.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

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
    // The first try was in vain, and a second one waits.
    await expect.poll(() => proxy.held, { timeout: 60_000 }).toBeGreaterThan(1);
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
