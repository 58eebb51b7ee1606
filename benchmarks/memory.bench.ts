/** What an active session costs: the cache's heap by itself, and the whole server's resident memory. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createSimplejwtTables, createUsers, freshDatabase } from '../test/support/postgres.js';
import { startServer } from '../test/support/server.js';
import { services } from '../test/support/services.js';
import { mintRefresh } from '../test/support/tokens.js';
import { bundled } from './support/bundle.js';
import { migrateDatabase } from './support/migrate.js';

const SESSIONS = 100_000;

describe('memory of 100,000 active sessions', () => {
  it('in the cache alone, after garbage collection', async () => {
    const script = `
      const { MemoryCache } = await import('${await bundled('src/cache/memory.ts')}');
      const { randomBytes } = await import('node:crypto');
      const cache = new MemoryCache({ maxActive: 500_000, maxSpent: 100_000 });
      globalThis.cache = cache;
      gc(); const before = process.memoryUsage().heapUsed;
      for (let n = 0; n < ${SESSIONS}; n++) {
        const jti = randomBytes(16).toString('hex');
        cache.begin({ jti, userKey: undefined });
        cache.finish({ jti, userKey: undefined }, { spent: jti, successor: { jti: randomBytes(16).toString('hex'), rowId: String(1e7 + n) } });
      }
      gc(); console.log((process.memoryUsage().heapUsed - before) / ${SESSIONS});`;
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--expose-gc',
      '--input-type=module',
      '-e',
      script,
    ]);
    console.log(JSON.stringify({ heapBytesPerSession: Math.round(Number(stdout)) }));
    expect(Number(stdout)).toBeLessThan(1024);
  });

  it.skipIf(services().postgres === undefined)('in the whole server, by its resident memory', async () => {
    const database = await freshDatabase();
    await createSimplejwtTables(database.url);
    const users = await createUsers(database.url, 1000);
    await migrateDatabase(database.url);
    const server = await startServer({ databaseUrl: database.url });
    const residentBytes = () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))![1]) * 1024;
    const refreshAll = async (count: number) => {
      let next = 0;
      const worker = async () => {
        while (next++ < count) {
          const { token } = mintRefresh({
            userId: users[next % users.length]!,
            iatSeconds: Math.floor(Date.now() / 1000) - 1,
          });
          const response = await fetch(`${server.url}/account/token/refresh/`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ refresh: token }),
          });
          await response.arrayBuffer();
          if (response.status !== 200) throw new Error(`refresh answered ${response.status}`);
        }
      };
      await Promise.all(Array.from({ length: 64 }, worker));
    };
    await refreshAll(20_000);
    const before = residentBytes();
    await refreshAll(SESSIONS);
    const perSession = (residentBytes() - before) / SESSIONS;
    console.log(
      JSON.stringify({
        residentBytesPerSession: Math.round(perSession),
        residentMb: Math.round(residentBytes() / 1e6),
      }),
    );
    await server.stop();
    await database.drop();
    expect(perSession).toBeLessThan(1024);
  });
});
