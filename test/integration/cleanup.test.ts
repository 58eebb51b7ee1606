import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { readFacts } from '../../src/cleanup/catalog.js';
import { describeSelf, isGone, readHolder } from '../../src/cleanup/holder.js';
import {
  cleanUp,
  CleanupError,
  openCleanupSession,
  surveyCleanup,
  type CleanupEvent,
  type CleanupSession,
} from '../../src/cleanup/index.js';
import type { Query } from '../../src/cleanup/session.js';
import { Surroundings } from '../../src/cleanup/surroundings.js';
import { SchemaError } from '../../src/store/errors.js';
import { services } from '../support/services.js';
import { census, cleanupWorld, connectTo, fill, PLAIN, type CleanupWorld } from './cleanup-support/world.js';

describe.skipIf(services().postgres === undefined)('cleanup', () => {
  const given = cleanupWorld();
  let world: CleanupWorld;
  beforeEach(() => void (world = given()));

  const failure = async (work: Promise<unknown>): Promise<CleanupError> => {
    const error: unknown = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error instanceof CleanupError || error instanceof SchemaError).toBe(true);
    return error as CleanupError;
  };
  const connect = () => connectTo(world);

  it('removes what has expired, tells how it went, and has nothing to do afterwards', async () => {
    await fill(world.sql, { expired: 4_000, live: 500 });
    const events: CleanupEvent[] = [];
    const summary = await world.run({ onEvent: (event) => events.push(event), vacuum: 'auto' });
    expect(summary).toMatchObject({
      ended: 'done',
      deleted: 4_000,
      blacklistDeleted: 3_200,
      kept: 0,
      backlogRows: 0,
    });
    expect(events[0]).toMatchObject({ event: 'started', backlogRows: 4_000, backlogExact: true });
    expect(await census(world.sql)).toEqual({ orphans: 0, expired: 0, live: 500, blacklisted: 400 });
    expect(await world.run()).toMatchObject({ ended: 'done', deleted: 0, batches: 0 });
  });

  it('vacuums where so much was removed that it pays', async () => {
    await fill(world.sql, { expired: 12_000, live: 100 });
    const summary = await world.run({ vacuum: 'auto' });
    expect(summary.vacuumMs).toBeDefined();
    const [row] = await world.sql<{ pages: number }>(
      `SELECT reltuples::int AS pages FROM pg_class WHERE relname = 'token_blacklist_outstandingtoken'`,
    );
    expect(row!.pages).toBe(100);
  });

  it('keeps to its budget, and tells what is left', async () => {
    await fill(world.sql, { expired: 1_000, live: 0 });
    expect(await world.run({ maxRows: 150, batchSize: 100 })).toMatchObject({
      ended: 'max_rows',
      deleted: 150,
      backlogRows: 850,
    });
    expect(await world.run({ maxDurationMs: 1, batchSize: 10, nice: 1 })).toMatchObject({
      ended: 'max_duration',
    });
  });

  it('tells how many rows are left, which fall with each batch and from run to run, whatever the statistics say', async () => {
    await fill(world.sql, { expired: 60_000, live: 0 });
    const started: number[] = [];
    const left: number[] = [];
    const onEvent = (event: CleanupEvent): void => {
      if (event.event === 'started') started.push(event.backlogRows);
      if (event.event === 'progress') left.push(event.leftRows);
    };
    // Nothing analyses the table in between.
    const first = await world.run({ maxRows: 3_000, batchSize: 1_000, onEvent });
    const second = await world.run({ maxRows: 3_000, batchSize: 1_000, onEvent });
    expect([first.backlogRows, second.backlogRows]).toEqual([57_000, 54_000]);
    expect(started).toEqual([60_000, 57_000]);
    expect(left).toEqual([59_000, 56_000]);
  });

  it('keeps rows for as much longer as rows show that tokens outlive them, unless it is told how long', async () => {
    await fill(world.sql, { expired: 100, live: 10 });
    expect((await world.run({ maxRows: 1 })).deleted).toBe(1);
    // One whose token was presented, and lives 40 days longer than its row said.
    await world.sql(
      `UPDATE token_blacklist_outstandingtoken SET expires_at = expires_at + interval '40 days'
        WHERE id = (SELECT max(id) FROM token_blacklist_outstandingtoken WHERE id <= 80)`,
    );
    const events: CleanupEvent[] = [];
    expect(await world.run({ onEvent: (event) => events.push(event) })).toMatchObject({ deleted: 0 });
    expect(events[0]).toMatchObject({ event: 'started', extraLifetimeMs: 40 * 86_400_000 });
    expect(await world.run({ extraLifetimeMs: 0 })).toMatchObject({ deleted: 98 });
  });

  it('finishes its batch and ends when it is told to', async () => {
    await fill(world.sql, { expired: 2_000, live: 0 });
    const stop = new AbortController();
    const summary = await world.run({
      batchSize: 100,
      nice: 1_000,
      signal: stop.signal,
      onEvent: ({ event }) => {
        if (event === 'progress') stop.abort();
      },
    });
    expect(summary).toMatchObject({ ended: 'interrupted', deleted: 100, backlogRows: 1_900 });
    expect((await census(world.sql)).orphans).toBe(0);
  });

  it('never takes a row sooner than leeway and 5 min after its token expired', async () => {
    await world.sql(
      `INSERT INTO token_blacklist_outstandingtoken (token, expires_at, jti)
       VALUES ('a', now() - interval '64 min', 'young'), ('b', now() - interval '66 min', 'old')`,
    );
    const hour = 3_600_000;
    expect(await world.run({ retentionMs: hour, leewayMs: hour })).toMatchObject({ deleted: 1 });
    expect(await world.sql('SELECT jti FROM token_blacklist_outstandingtoken')).toEqual([{ jti: 'young' }]);
  });

  it('refuses where other tables refer to the tokens, and names them', async () => {
    await fill(world.sql, { expired: 10, live: 0 });
    await world.sql(
      'CREATE TABLE devices (token_id bigint CONSTRAINT device_token REFERENCES token_blacklist_outstandingtoken)',
    );
    const error = await failure(world.run());
    await world.sql('DROP TABLE devices');
    expect(error.code).toBe('REFERENCED');
    expect(error.message).toContain('devices (device_token)');
    expect((await census(world.sql)).expired).toBe(10);
  });

  it.each([
    ['DROP TABLE carelink.cleanup_lease', 'NOT_MIGRATED', /carelink-tokens migrate/],
    ['DROP INDEX idx_outstanding_token_expires', 'NOT_MIGRATED', /no index.*carelink-tokens migrate/],
    [
      'DROP TABLE token_blacklist_blacklistedtoken',
      'TABLES_MISSING',
      /no table token_blacklist_blacklistedtoken/,
    ],
    [
      'ALTER TABLE token_blacklist_blacklistedtoken RENAME TO t; CREATE VIEW token_blacklist_blacklistedtoken AS TABLE t',
      'TABLES_MISSING',
      /no plain table/,
    ],
  ])('refuses after %s', async (damage, code, message) => {
    await world.sql(`BEGIN; ${damage}`);
    const query: Query = async <Row>(text: string, values?: readonly unknown[]) =>
      (await world.client.query(text, [...(values ?? [])])).rows as Row[];
    const error = await failure(readFacts(query)).finally(() => world.sql('ROLLBACK'));
    expect(error).toMatchObject({ code });
    expect(error.message).toMatch(message);
  });

  it.each([
    // The cutoff of the deletion, and the cutoff by which rows are chosen: a bug that lets young ones through.
    [
      'takes what is too young',
      (text: string) =>
        text
          .replaceAll(/<= ('[^']+'::timestamptz)/g, "<= interval '30 days' + $1")
          .replace("NOT (expires_at <= interval '30 days' + ", 'NOT (expires_at <= '),
    ],
    [
      'frees more than went',
      (text: string) => text.replace('b.token_id = ANY (ARRAY(SELECT id FROM gone))', 'true'),
    ],
    ['takes more than it was told', (text: string) => text.replace('LIMIT (150)::int', 'LIMIT (151)::int')],
  ])('rolls back and stops where a batch %s', async (_, broken) => {
    await fill(world.sql, { expired: 200, live: 200 });
    const before = await census(world.sql);
    const session: CleanupSession = {
      ...world.session,
      transaction: (begin, work) =>
        world.session.transaction(begin, (query) =>
          work((text, values) => query(text.includes('WITH batch') ? broken(text) : text, values)),
        ),
    };
    const error = await failure(cleanUp(session, { ...PLAIN, batchSize: 150 }));
    expect(error).toMatchObject({ code: 'UNSAFE' });
    // What came before the broken batch may have been in order.
    expect(await census(world.sql)).toMatchObject({ live: before.live, orphans: 0 });
  });

  it('leaves a row whose life is lengthened meanwhile, with its blacklist row', async () => {
    await fill(world.sql, { expired: 20, live: 0 });
    const other = await connect();
    await other.query('BEGIN');
    await other.query(
      `UPDATE token_blacklist_outstandingtoken SET expires_at = now() + interval '1 hour' WHERE id = 4`,
    );
    let ended = false as boolean;
    const running = world.run({ batchSize: 20 }).finally(() => (ended = true));
    // Its batch has chosen the row, as it was, and waits for it: for no longer than 50 ms, then it goes on without.
    // Before that it must not commit: a token that was lengthened tells the run to spare the others of its like, too.
    const waits = async () =>
      (
        await world.sql(
          `SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE NOT granted AND locktype = 'transactionid' AND datname = current_database()`,
        )
      ).length > 0;
    while (!ended && !(await waits()));
    await other.query('COMMIT');
    await running;
    await other.end();
    expect(await world.sql('SELECT id::int FROM token_blacklist_outstandingtoken')).toEqual([{ id: 4 }]);
    expect(await world.sql('SELECT token_id::int FROM token_blacklist_blacklistedtoken')).toEqual([
      { token_id: 4 },
    ]);
  });

  it('steps over rows that others hold on to, and takes them the next time', async () => {
    await fill(world.sql, { expired: 300, live: 0 });
    const other = await connect();
    await other.query('BEGIN');
    await other.query('SELECT FROM token_blacklist_outstandingtoken WHERE id IN (7, 150) FOR UPDATE');
    const events: CleanupEvent[] = [];
    expect(await world.run({ onEvent: (event) => events.push(event) })).toMatchObject({
      ended: 'done',
      deleted: 298,
      steppedOver: 2,
      backlogRows: 2,
    });
    expect(events.flatMap((event) => (event.event === 'stepped_over' ? [event.id] : []))).toEqual([
      '7',
      '150',
    ]);
    await other.query('COMMIT');
    await other.end();
    expect(await world.run()).toMatchObject({ deleted: 2, steppedOver: 0 });
  });

  it('obeys a fence, and says what it is', async () => {
    const name = new URL(world.url).pathname.slice(1);
    await world.sql(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    const session = await openCleanupSession(world.url);
    const error = await failure(cleanUp(session, PLAIN));
    expect(error.message).toMatch(/default_transaction_read_only is on.*fence/);
    await session.close();
    await world.sql(`SET default_transaction_read_only = off`);
    await world.sql(`ALTER DATABASE ${name} RESET default_transaction_read_only`);
  });

  it('is refused beside another one at once, and takes over from one that was killed', async () => {
    await fill(world.sql, { expired: 500, live: 0 });
    const stop = new AbortController();
    const first = world.run({ batchSize: 10, nice: 20, signal: stop.signal });
    await sleep(100);
    const second = await openCleanupSession(world.url);
    const error = await failure(cleanUp(second, PLAIN));
    expect(error.code).toBe('LEASE_HELD');
    expect(error.message).toContain(`process ${process.pid} on`);
    stop.abort();
    await first;
    // As a killed one leaves it.
    await world.sql(
      `UPDATE carelink.cleanup_lease SET owner = gen_random_uuid(), expires_at = clock_timestamp() + interval '1 s'`,
    );
    expect(await cleanUp(second, PLAIN)).toMatchObject({ ended: 'done' });
    await second.close();
  });

  it.skipIf(process.platform !== 'linux')(
    'takes over at once where the holder is gone for certain, and never on less than that',
    async () => {
      const [boot = '', namespace = ''] = readHolder(describeSelf(undefined)).proc!.split('/');
      const here = `${boot}/${namespace}`;
      const gone = spawnSync('true').pid;
      const other = await connect();
      const { rows } = await other.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const holders: readonly (readonly [string, boolean])[] = [
        ['process 1 on elsewhere', false],
        [`process ${gone} on elsewhere; proc=${here}/${gone}/1`, true],
        // The same pid, given to another process since.
        [`process ${process.pid} on elsewhere; proc=${here}/${process.pid}/1`, true],
        [describeSelf(undefined), false],
        [`process ${gone} on elsewhere; proc=another-boot/1/${gone}/1`, false],
        [`process ${gone} on elsewhere; proc=${boot}/another-namespace/${gone}/1`, false],
        [`process 1 on elsewhere; backend=${rows[0]!.pid}`, false],
        ['process 1 on elsewhere; backend=999999999', true],
      ];
      for (const [holder, expected] of holders) {
        expect([holder, await isGone(readHolder(holder), world.sql as Query)]).toEqual([holder, expected]);
      }
      await other.end();
      await fill(world.sql, { expired: 10, live: 0 });
      await world.sql(
        `INSERT INTO carelink.cleanup_lease (name, owner, holder, expires_at)
         VALUES ('cleanup', gen_random_uuid(), 'process 1 on elsewhere; backend=999999999', now() + interval '1 h')
         ON CONFLICT (name) DO UPDATE
           SET owner = excluded.owner, holder = excluded.holder, expires_at = excluded.expires_at`,
      );
      expect(await world.run()).toMatchObject({ deleted: 10 });
    },
  );

  it('stops as soon as its lease is somebody else’s, and takes back the batch', async () => {
    await fill(world.sql, { expired: 500, live: 0 });
    const running = failure(world.run({ batchSize: 10, nice: 10 }));
    await sleep(100);
    await world.sql(
      `UPDATE carelink.cleanup_lease SET owner = gen_random_uuid(), expires_at = clock_timestamp() + interval '1 min'`,
    );
    const left = await census(world.sql);
    const error = await running;
    expect(error.code).toBe('LEASE_LOST');
    expect(await census(world.sql)).toEqual(left);
  });

  it('counts what triggers and cascades of the site cost as the rows that they come with', async () => {
    const EXPIRED = 600;
    await fill(world.sql, { expired: EXPIRED, live: 0 });
    await world.sql(`
      CREATE FUNCTION dear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.001); RETURN NULL; END $$;
      CREATE TRIGGER dear AFTER DELETE ON token_blacklist_outstandingtoken FOR EACH ROW EXECUTE FUNCTION dear()`);
    try {
      const { batches } = await world.run({ targetBatchMs: 20 });
      // A row takes a millisecond at least, so that a batch of twenty is at its target. The first has 100.
      expect(batches).toBeGreaterThan((EXPIRED - 200) / 25);
    } finally {
      await world.sql('DROP FUNCTION dear() CASCADE');
    }
  });

  it('waits while an index is being built, and goes on', async () => {
    await fill(world.sql, { expired: 2_000, live: 0 });
    // The build waits for this one, and the cleanup for the build.
    const writer = await connect();
    await writer.query('BEGIN');
    await writer.query(
      `INSERT INTO token_blacklist_outstandingtoken (token, expires_at, jti) VALUES ('t', now(), 'w')`,
    );
    const builder = await connect();
    const built = builder.query(
      'CREATE INDEX CONCURRENTLY slow ON token_blacklist_outstandingtoken (created_at)',
    );
    const bound = { timeout: 60_000 };
    await expect.poll(() => world.sql('SELECT FROM pg_stat_progress_create_index'), bound).toHaveLength(1);
    const events: CleanupEvent[] = [];
    const running = world.run({ onEvent: (event) => events.push(event) });
    await expect
      .poll(() => events, bound)
      .toContainEqual({
        event: 'pressure',
        slowdown: Infinity,
        reasons: ['an index is being built on token_blacklist_outstandingtoken'],
      });
    expect((await census(world.sql)).expired).toBe(2_000);
    await writer.query('COMMIT');
    await built;
    expect(await running).toMatchObject({ ended: 'done', deleted: 2_000 });
    await writer.end();
    await builder.end();
  });

  it('gives way to whoever waits for the token tables, and to nobody who waits for something else', async () => {
    await fill(world.sql, { expired: 3_000, live: 20 });
    const holder = await connect();
    await holder.query(`SELECT pg_advisory_lock(4711); CREATE TABLE elsewhere (n int)`);
    await holder.query('BEGIN; LOCK TABLE elsewhere');
    const waiters = await Promise.all(Array.from({ length: 12 }, connect));
    const asked = waiters.map((waiter, n) =>
      waiter.query(n % 2 === 0 ? 'SELECT pg_advisory_lock(4711)' : 'SELECT FROM elsewhere'),
    );
    const surroundings = new Surroundings(world.session.query, await readFacts(world.session.query), () =>
      performance.now(),
    );
    const waiting = async (event: string) =>
      (await world.sql<{ n: number }>(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event ${event}`))[0]!.n; // prettier-ignore
    await expect.poll(() => waiting('IS NOT NULL')).toBeGreaterThanOrEqual(12);
    expect((await surroundings.read()).waitingSessions).toBe(0);
    expect(await world.run()).toMatchObject({ ended: 'done', deleted: 3_000, givenWay: [] });

    // A row of ours, which two wait for: the second waits for the tuple, the first for the transaction.
    const [writer, first, second] = await Promise.all([connect(), connect(), connect()]);
    const touch =
      'UPDATE token_blacklist_outstandingtoken SET token = token WHERE id = (SELECT max(id) FROM token_blacklist_outstandingtoken)';
    await writer.query(`BEGIN; ${touch}`);
    const touched = [first.query(touch), second.query(touch)];
    await expect.poll(async () => (await surroundings.read()).waitingSessions).toBe(2);
    await writer.query('COMMIT');
    await holder.query('COMMIT');
    await holder.query('SELECT pg_advisory_unlock(4711)');
    // They hand the advisory lock on only as their sessions end.
    await Promise.all(asked.map((answer, n) => answer.then(() => waiters[n]!.end())));
    await Promise.all(touched);
    await Promise.all([holder, writer, first, second].map((client) => client.end()));
  });

  it('tells in a dry run what would go, by age, and changes nothing', async () => {
    await fill(world.sql, { expired: 3_000, live: 200 });
    await world.sql(
      `INSERT INTO token_blacklist_outstandingtoken (token, expires_at, jti) VALUES ('a.b.c', now() - interval '1 year', 'odd')`,
    );
    const before = await census(world.sql);
    const told = await surveyCleanup(world.session, PLAIN);
    expect(told).toMatchObject({ wouldDelete: 3_000, wouldKeep: 1, notYet: 200 });
    expect(told.byAge.reduce((sum, { rows }) => sum + rows, 0)).toBe(3_000);
    expect(told.byAge.find(({ age }) => age === '7 to 30 days')!.rows).toBeGreaterThan(2_000);
    expect(told.estimatedMs).toBeGreaterThan(0);
    expect(await census(world.sql)).toEqual(before);
  });
});
