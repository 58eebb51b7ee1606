import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyMigrations, readMigrationOverview } from '../../src/migrate/index.js';
import { type Bouncer, startBouncer } from '../support/pgbouncer.js';
import { createSimplejwtTables, type FreshDatabase, freshDatabase, query } from '../support/postgres.js';
import { services } from '../support/services.js';

const PGBOUNCER = services().pgbouncer;

describe.skipIf(PGBOUNCER === undefined || services().postgres === undefined)(
  'migrate through PgBouncer',
  () => {
    let database: FreshDatabase;
    const bouncers: Bouncer[] = [];
    beforeAll(async () => {
      database = await freshDatabase();
      await createSimplejwtTables(database.url);
    });
    afterAll(async () => {
      for (const bouncer of bouncers) await bouncer.stop();
      await database.drop();
    });
    const through = async (settings: Record<string, string>): Promise<string> => {
      const bouncer = await startBouncer(database.url, settings);
      bouncers.push(bouncer);
      return bouncer.url;
    };

    it.each([
      ['transaction mode', { pool_mode: 'transaction' }],
      [
        'transaction mode that deals its servers out in turn',
        { pool_mode: 'transaction', server_round_robin: '1' },
      ],
      ['transaction mode with one server', { pool_mode: 'transaction', default_pool_size: '1' }],
      ['statement mode', { pool_mode: 'statement' }],
    ])('is refused in %s, with the reason, and changes nothing', async (_, settings) => {
      const url = await through(settings);
      // Other clients have left servers in the pool behind them, as they do in production.
      await Promise.all(Array.from({ length: 8 }, () => query(url, 'SELECT pg_sleep(0.05)')));
      const failed: unknown = await applyMigrations(url, { createTables: false }).catch(
        (error: unknown) => error,
      );
      expect(failed).toMatchObject({ code: 'POOLER' });
      expect(String(failed)).toMatch(/pooler in transaction mode.*direct connection/);
      expect(
        await query(
          database.url,
          `SELECT to_regnamespace('carelink') AS schema,
                (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS locks`,
        ),
      ).toEqual([{ schema: null, locks: 0 }]);
    });

    it('says within seconds that a pool of one is not enough, and is ended by a signal meanwhile', async () => {
      const url = await through({ pool_mode: 'session', default_pool_size: '1' });
      const events: string[] = [];
      const stopped = new AbortController();
      const interrupted = applyMigrations(url, {
        createTables: false,
        signal: stopped.signal,
        onEvent: ({ event }) => {
          events.push(event);
          if (event === 'session_waiting') stopped.abort();
        },
      });
      await expect(interrupted).rejects.toMatchObject({ code: 'INTERRUPTED' });
      expect(events).toEqual(['session_waiting']);
      // PgBouncer's own word would be query_wait_timeout, after two minutes.
      await expect(applyMigrations(url, { createTables: false, maxWaitMs: 500 })).rejects.toMatchObject({
        code: 'POOLER',
        message: expect.stringMatching(/second session.*direct connection/) as string,
      });
    });

    it('plans in transaction mode, for a plan needs no session', async () => {
      const { migrations } = await readMigrationOverview(await through({ pool_mode: 'transaction' }));
      expect(migrations.find(({ name }) => name === 'idx_outstanding_token_expires')).toMatchObject({
        action: 'build',
      });
    });

    it('works in session mode', async () => {
      const { steps } = await applyMigrations(await through({ pool_mode: 'session' }), {
        createTables: false,
      });
      expect(steps.map(({ outcome }) => outcome)).toContain('applied');
    });
  },
);
