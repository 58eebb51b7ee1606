import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { applyMigrations } from '../../src/migrate/index.js';
import { census, fill } from '../integration/cleanup-support/world.js';
import { startDjango, type Django } from '../support/django.js';
import { freshDatabase, query, type FreshDatabase } from '../support/postgres.js';
import { BATCH, cleanInBatches } from '../interop/cleanup-beside-suite.js';

interface Blacklisting {
  readonly committed: number;
  readonly created: number;
  readonly failed: number;
  readonly other: number;
  readonly errors: readonly string[];
}

/**
 * A Django whose threads look up the next 40 tokens that a cleanup will take and blacklist one, in transactions of up
 * to 30 ms: some have inserted when the batch comes, some come while it works.
 */
export function djangoSuite({ batches }: { batches: number }): void {
  let database: FreshDatabase;
  let django: Django;
  const directory = mkdtempSync(join(tmpdir(), 'carelink-beside-'));
  beforeAll(async () => {
    database = await freshDatabase();
    django = await startDjango({ database: database.url });
    await applyMigrations(database.url, { createTables: false });
  });
  afterAll(async () => {
    await django.stop();
    await database.drop();
    rmSync(directory, { recursive: true });
  });

  it(`hurts Django at most once in a thousand batches (${batches} here), and leaves no orphan`, async () => {
    const sql = <Row extends object>(text: string, values?: unknown[]) =>
      query<Row>(database.url, text, values);
    await fill(sql, { expired: batches * BATCH, live: 100 });
    const until = join(directory, 'ended');
    const beside = django.manage('blacklist_expired', '--until', until);
    // It takes a second to start, and works then on what is still there.
    const done = await cleanInBatches(database.url);
    writeFileSync(until, '');
    const blacklisting = JSON.parse(await beside) as Blacklisting;
    console.log(JSON.stringify({ ...done, blacklisting }));
    expect((await census(sql)).orphans).toBe(0);
    expect(blacklisting.created).toBeGreaterThan(batches / 50);
    expect(blacklisting).toMatchObject({ other: 0 });
    expect(blacklisting.failed).toBeLessThanOrEqual(Math.ceil(done.batches / 1000));
  });
}
