import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanUp, openCleanupSession } from '../../src/cleanup/index.js';
import { startBouncer, type Bouncer } from '../support/pgbouncer.js';
import { query } from '../support/postgres.js';
import { services } from '../support/services.js';
import { census, cleanupWorld, fill, PLAIN } from './cleanup-support/world.js';

describe.skipIf(services().pgbouncer === undefined || services().postgres === undefined)(
  'cleanup through PgBouncer in transaction mode',
  () => {
    const world = cleanupWorld();
    let bouncer: Bouncer;
    beforeAll(async () => {
      // Each transaction goes to the server that has rested longest: hardly ever the one before.
      bouncer = await startBouncer(world().url, {
        pool_mode: 'transaction',
        default_pool_size: '4',
        server_round_robin: '1',
      });
    });
    afterAll(() => bouncer.stop());

    const together = (text: string) => Promise.all(Array.from({ length: 4 }, () => query(bouncer.url, text)));

    it('works beside other clients of the pool, and leaves no setting behind in it', async () => {
      const { sql } = world();
      await fill(sql, { expired: 3_000, live: 100 });
      await together('SELECT pg_sleep(0.05)');
      const session = await openCleanupSession(bouncer.url);
      let ended = false as boolean;
      const others = (async () => {
        while (!ended) await together('SELECT pg_sleep(0.001)');
      })();
      const summary = await cleanUp(session, { ...PLAIN, batchSize: 100 });
      ended = true;
      await others;
      await session.close();
      expect(summary).toMatchObject({ ended: 'done', deleted: 3_000, batches: 30 });
      expect(await census(sql)).toMatchObject({ orphans: 0, expired: 0, live: 100 });
      const settings = await together(
        `SELECT current_setting('lock_timeout') AS lock, current_setting('synchronous_commit') AS sync,
                current_setting('enable_seqscan') AS scan, pg_sleep(0.05)::text AS slept`,
      );
      for (const [row] of settings) expect(row).toMatchObject({ lock: '0', sync: 'on', scan: 'on' });
    });

    it('refuses a second runner through the same pool', async () => {
      await fill(world().sql, { expired: 500, live: 0 });
      const [first, second] = [await openCleanupSession(bouncer.url), await openCleanupSession(bouncer.url)];
      const stop = new AbortController();
      let begun = (): void => undefined;
      const beginning = new Promise<void>((resolve) => (begun = resolve));
      const running = cleanUp(first, {
        ...PLAIN,
        batchSize: 10,
        nice: 100,
        signal: stop.signal,
        onEvent: begun,
      });
      await beginning;
      await expect(cleanUp(second, PLAIN)).rejects.toMatchObject({ code: 'LEASE_HELD' });
      stop.abort();
      expect(await running).toMatchObject({ ended: 'interrupted' });
      await Promise.all([first.close(), second.close()]);
    });
  },
);
