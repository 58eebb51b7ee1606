/** A synchronous standby that is gone, and an administrator who ends the wait for it: what is revoked then is not told as done. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { createSimplejwtTables, createUsers, query, startCluster } from '../support/postgres.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';
import { REVOKE_SLOWLY, start } from '../cli/run.js';

it.skipIf(services().postgresBin === undefined)('revoke says what no standby has confirmed', async () => {
  const cluster = await startCluster();
  onTestFinished(() => cluster.stop());
  const { url } = cluster;
  await createSimplejwtTables(url);
  await applyMigrations(url, { createTables: false });
  await issueTokens(url, await createUsers(url, 300));
  const { finished } = start([...REVOKE_SLOWLY, '--nice', '20', '--database-url', url]);
  const revoked = async (): Promise<number> =>
    (await query(url, 'SELECT FROM token_blacklist_blacklistedtoken')).length;
  while ((await revoked()) === 0) await sleep(5);
  await query(url, "ALTER SYSTEM SET synchronous_standby_names = 'gone'");
  await query(url, 'SELECT pg_reload_conf()');
  const waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()";
  while ((await query(url, `SELECT pg_cancel_backend(pid) ${waits}`)).length === 0) await sleep(20);
  const { code, signal, stderr } = await finished;
  expect([code, signal]).toEqual([1, null]);
  expect(stderr).toMatch(/error: NOT_CONFIRMED: .*no synchronous standby has confirmed it.*run it again/s);
});
