import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrateDatabase } from '../../benchmarks/support/migrate.js';
import { startBouncer, type Bouncer } from '../support/pgbouncer.js';
import {
  createSimplejwtTables,
  createUsers,
  query,
  startCluster,
  type Cluster,
} from '../support/postgres.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';
import { REVOKE_SLOWLY, start } from './run.js';

const TOKENS = 200;
const canRun = services().postgresBin !== undefined && services().pgbouncer !== undefined;

describe.skipIf(!canRun)('a revocation through PgBouncer', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster();
    await createSimplejwtTables(cluster.url);
    await migrateDatabase(cluster.url);
    await issueTokens(cluster.url, await createUsers(cluster.url, TOKENS));
  });
  afterAll(() => cluster.stop());

  const revoked = async (): Promise<number> => {
    const rows = await query(cluster.url, 'SELECT 1 FROM token_blacklist_blacklistedtoken');
    return rows.length;
  };

  it.each(['session', 'transaction'])(
    'goes on when PostgreSQL is back after a crash: pool_mode %s',
    async (mode) => {
      await query(cluster.url, 'TRUNCATE token_blacklist_blacklistedtoken');
      const bouncer: Bouncer = await startBouncer(cluster.url, { pool_mode: mode, server_login_retry: '1' });
      try {
        const { finished } = start([...REVOKE_SLOWLY, '--database-url', bouncer.url]);
        while ((await revoked()) === 0) await sleep(5);
        await cluster.kill9();
        await cluster.start();
        const { code, stdout, stderr } = await finished;
        expect([code, stdout]).toEqual([0, expect.stringContaining('Revoked ')]);
        // What is told on the way never goes back.
        const told = stderr.split('\n').filter((line) => line !== '');
        expect(told).toEqual(told.filter((line) => /^\d+ of 200$/.test(line)));
        const counts = told.map((line) => Number.parseInt(line, 10));
        expect(counts).toEqual(counts.toSorted((a, b) => a - b));
        expect(await revoked()).toBe(TOKENS);
      } finally {
        await bouncer.stop();
      }
    },
  );
});
