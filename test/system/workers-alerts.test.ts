import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { dashboardRow } from '../support/dashboard-row.js';
import { sendRefresh } from '../support/fleet.js';
import { createUsers, query, type FreshDatabase } from '../support/postgres.js';
import { childrenOf } from '../support/processes.js';
import { startRedis, type RedisServer } from '../support/redis.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';
import { startWitness, type Witness } from '../support/witness.js';

const { chromium, postgres, redis: anyRedis } = services();
/** Workers are found in /proc. */
const ready =
  chromium !== undefined && postgres !== undefined && anyRedis !== undefined && process.platform === 'linux';

describe.skipIf(!ready)('what the first process of serve --workers 2 tells of all of them', () => {
  let database: FreshDatabase;
  let redis: RedisServer;
  let witness: Witness;
  beforeAll(async () => {
    database = await migratedDatabase();
    // A build that broke off: each worker sees it, and it is one.
    await query(
      database.url,
      `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_blacklisted_token_created'::regclass`,
    );
    redis = await startRedis();
    witness = await startWitness({
      databaseUrl: database.url,
      args: ['--workers', '2', '--redis-url', `redis://127.0.0.1:${redis.port}`],
    });
  });
  afterAll(async () => {
    await witness.stop();
    await redis.stop();
    await database.drop();
  });

  it('the dashboard shows what all workers counted', async () => {
    const { server, page } = witness;
    const tokens = await issueTokens(database.url, await createUsers(database.url, 120));
    await Promise.all(
      tokens.map(({ token, userId }, n) => sendRefresh(server.url, String(userId), token, n)),
    );
    const row = (label: string) => dashboardRow(page, label);
    await expect.poll(() => row('rotated'), { timeout: 30_000 }).toBe('120');
    expect(await row('listening')).toBe('2 of 2');
    expect(await row('dashboards open')).toBe('1');
    expect(await row('invalid indexes')).toBe('1');
    await page.getByText('since start', { exact: true }).click();
    await expect
      .poll(() => page.locator('[data-kpi=db_queries] p').nth(1).textContent(), { timeout: 30_000 })
      .toContain('of 120');
  });

  it('an alert is raised once, not once a worker', async () => {
    const { server, page, posted } = witness;
    await witness.raised('INVALID_INDEX');
    redis.kill('SIGKILL');
    await witness.raised('STORE_DOWN');
    process.kill(childrenOf(server.pid)[0]!, 'SIGKILL');
    await witness.raised('WORKER_DIED');
    // Judged again with the next one, which tells what the first one did: it is the same Redis that is down.
    const died = page.locator('.alert[data-code=WORKER_DIED]');
    await expect.poll(() => died.textContent(), { timeout: 30_000 }).toContain('2 of 2 listen');
    // That it clears is in alerts.long.test.ts: a death is told for a minute.
    const provoked = ['INVALID_INDEX', 'STORE_DOWN', 'WORKER_DIED'];
    const ofThem = posted.filter(({ code }) => provoked.includes(code));
    expect(ofThem.map(({ event, code, subject }) => [event, code, subject])).toEqual([
      ['raised', 'INVALID_INDEX', ''],
      ['raised', 'STORE_DOWN', 'redis'],
      ['raised', 'WORKER_DIED', ''],
    ]);
  });
});
