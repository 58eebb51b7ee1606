/** A synchronous standby that is gone, and an administrator who ends the wait for it: what is revoked then is not told as done. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { createSimplejwtTables, createUsers, query, startCluster } from '../support/postgres.js';
import { BIN, cleanEnvironment } from '../support/server.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';

it.skipIf(services().postgresBin === undefined)('revoke says what no standby has confirmed', async () => {
  const cluster = await startCluster();
  onTestFinished(() => cluster.stop());
  const { url } = cluster;
  await createSimplejwtTables(url);
  await applyMigrations(url, { createTables: false });
  await issueTokens(url, await createUsers(url, 300));
  const child = spawn(
    process.execPath,
    [
      BIN,
      'revoke',
      '--issued-before',
      'now',
      '--yes',
      '--batch-size',
      '1',
      '--nice',
      '20',
      '--database-url',
      url,
    ],
    { env: cleanEnvironment({}), stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let stderr = '';
  child.stderr.on('data', (part) => (stderr += String(part)));
  const closed = once(child, 'close');
  const revoked = async (): Promise<number> =>
    (await query(url, 'SELECT FROM token_blacklist_blacklistedtoken')).length;
  while ((await revoked()) === 0) await sleep(5);
  await query(url, "ALTER SYSTEM SET synchronous_standby_names = 'gone'");
  await query(url, 'SELECT pg_reload_conf()');
  const waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = current_database()";
  while ((await query(url, `SELECT pg_cancel_backend(pid) ${waits}`)).length === 0) await sleep(20);
  expect(await closed).toEqual([1, null]);
  expect(stderr).toMatch(/error: NOT_CONFIRMED: .*no synchronous standby has confirmed it.*run it again/s);
});
