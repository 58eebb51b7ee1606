import { expect, it, onTestFinished } from 'vitest';
import { applyMigrations, readMigrationOverview } from '../../src/migrate/index.js';
import { createSimplejwtTables, query, startCluster } from '../support/postgres.js';
import { services } from '../support/services.js';

it.skipIf(services().postgresBin === undefined)(
  'migrate stops before a server that is fenced off, as cleanup, revoke and serve do, and still plans',
  async () => {
    const cluster = await startCluster();
    onTestFinished(() => cluster.stop());
    await createSimplejwtTables(cluster.url);
    await query(cluster.url, 'ALTER SYSTEM SET default_transaction_read_only = on');
    await query(cluster.url, 'SELECT pg_reload_conf()');
    const fenced = async () =>
      (await query<{ on: string }>(cluster.url, 'SHOW default_transaction_read_only').catch(() => []))[0];
    await expect.poll(fenced, { timeout: 10_000 }).toEqual({ default_transaction_read_only: 'on' });
    await expect(applyMigrations(cluster.url, { createTables: false })).rejects.toMatchObject({
      code: 'SERVER_UNFIT',
      message: expect.stringMatching(/default_transaction_read_only is on for the whole server/) as string,
    });
    expect((await readMigrationOverview(cluster.url)).migrations.length).toBeGreaterThan(0);
  },
);
