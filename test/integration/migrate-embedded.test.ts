import { rmSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations, readMigrationOverview, removeMigrations } from '../../src/migrate/index.js';
import { startEmbedded, type Embedded } from '../../src/store/embedded.js';
import { EMBEDDED_WORKER, embeddedDirectory } from '../support/embedded-directory.js';
import { coverageSuite } from './migrate-support/coverage-suite.js';

describe('migrate on the embedded PostgreSQL', () => {
  let dataDir: string;
  let embedded: Embedded;
  beforeAll(async () => {
    dataDir = await embeddedDirectory('migrate');
    embedded = await startEmbedded({ dataDir, workerUrl: EMBEDDED_WORKER });
  });
  afterAll(async () => {
    await embedded.stop();
    rmSync(dataDir, { recursive: true });
  });

  const query = async (text: string) => {
    const client = new pg.Client(embedded.connection);
    await client.connect();
    try {
      return (await client.query(text)).rows as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  };

  it('makes tables and indexes in its one session, and leaves that without lock and settings', async () => {
    const { steps } = await applyMigrations(embedded.connection, { createTables: true });
    expect(steps.map(({ outcome }) => outcome).filter((outcome) => outcome === 'applied')).toHaveLength(14);
    const again = await applyMigrations(embedded.connection, { createTables: true });
    expect(again.steps.map(({ outcome }) => outcome)).not.toContain('applied');
    const { migrations } = await readMigrationOverview(embedded.connection);
    expect(new Set(migrations.map(({ state }) => state))).toEqual(new Set(['applied', 'covered']));
    expect(
      await query(
        `SELECT (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory') AS locks,
                current_setting('lock_timeout') AS lock_timeout, current_setting('client_min_messages') AS messages`,
      ),
    ).toEqual([{ locks: 0, lock_timeout: '0', messages: 'notice' }]);
  });

  it('rebuilds an invalid index', async () => {
    const spoil =
      "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_outstanding_token_expires'::regclass";
    await query(spoil);
    const { steps } = await applyMigrations(embedded.connection, { createTables: true });
    expect(steps.find(({ name }) => name === 'idx_outstanding_token_expires')).toMatchObject({
      outcome: 'applied',
    });
  });

  it('undoes all of it', async () => {
    await removeMigrations(embedded.connection, { dropTables: true });
    expect(await query("SELECT relname FROM pg_class WHERE relname ~ '^(token_blacklist|idx_)'")).toEqual([]);
  });

  describe('coverage', () => {
    coverageSuite(() =>
      Promise.resolve({
        connection: embedded.connection,
        stop: async () => {
          await query('DROP TABLE token_blacklist_outstandingtoken');
        },
      }),
    );
  });
});
