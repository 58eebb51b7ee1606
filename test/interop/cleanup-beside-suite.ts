import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openCleanupSession, cleanUp } from '../../src/cleanup/index.js';
import { census, fill, PLAIN, type CleanupWorld } from '../integration/cleanup-support/world.js';
import { openClient } from '../support/postgres.js';

export const BATCH = 20;
const BLACKLISTERS = 2;

/**
 * Sessions that blacklist, all the time, rows that are about to go, in transactions that are open for up to 30 ms;
 * some are open before the batch comes, some come while it works. Counts what reaches them.
 */
export function besideSuite(world: () => CleanupWorld, { batches }: { batches: number }): void {
  it(`hurts next to nobody in ${batches} batches, and leaves no orphan`, async () => {
    const { url, sql } = world();
    await fill(sql, { expired: batches * BATCH, live: 100 });
    const counts = { committed: 0, taken: 0, gone: 0, failed: 0 };
    let position = 0;
    let ended = false;
    const blacklister = async (): Promise<void> => {
      const client = await openClient(url);
      while (!ended) {
        // One of the next 40 rows, that no blacklist row is for: two batches' worth.
        const id =
          Math.ceil((position + Math.random() * 2 * BATCH) / 10) * 10 - (Math.random() < 0.5 ? 1 : 2) + 1;
        try {
          await client.query('BEGIN');
          const { rowCount } = await client.query(
            'SELECT FROM token_blacklist_outstandingtoken WHERE id = $1',
            [id],
          );
          if (rowCount === 0) counts.gone++;
          else {
            const done = await client.query(
              `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) VALUES (now(), $1)
               ON CONFLICT DO NOTHING`,
              [id],
            );
            if (done.rowCount === 0) counts.taken++;
            await sleep(Math.random() * 30);
          }
          await client.query('COMMIT');
          if (rowCount !== 0) counts.committed++;
        } catch (error) {
          // 23503: its row went between its look and its commit.
          expect((error as { code?: string }).code).toBe('23503');
          counts.failed++;
          await client.query('ROLLBACK');
        }
        await sleep(Math.random() * 100);
      }
      await client.end();
    };
    const others = Array.from({ length: BLACKLISTERS }, blacklister);
    const done = await cleanInBatches(url, (deleted) => (position = deleted));
    ended = true;
    await Promise.all(others);
    console.log(JSON.stringify({ ...done, blacklisting: counts }));
    expect((await census(sql)).orphans).toBe(0);
    expect(counts.committed).toBeGreaterThan(batches / 10);
    expect(counts.failed).toBeLessThanOrEqual(Math.ceil(done.batches / 1000));
  });
}

/** Cleans up in batches of 20, each run of five of them, and tells after each run how much has gone. */
export async function cleanInBatches(
  url: string,
  onProgress: (deleted: number) => void = () => undefined,
): Promise<{ batches: number; deleted: number; stepped: number; retries: number }> {
  const session = await openCleanupSession(url);
  const done = { batches: 0, deleted: 0, stepped: 0, retries: 0 };
  for (let more = true; more;) {
    const summary = await cleanUp(session, { ...PLAIN, nice: 1, batchSize: BATCH, maxRows: BATCH * 5 });
    more = summary.ended === 'max_rows';
    done.batches += summary.batches;
    done.deleted += summary.deleted;
    done.stepped += summary.steppedOver;
    done.retries += summary.retries;
    onProgress(done.deleted);
  }
  await session.close();
  return done;
}
