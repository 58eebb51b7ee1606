import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { examine } from '../../src/compose/doctor.js';
import { doctorSettings } from '../../src/config/doctor-settings.js';
import { applyMigrations, readMigrationOverview } from '../../src/migrate/index.js';
import { run } from '../cli/run.js';
import { createSimplejwtTables, freshDatabase, query, startCluster } from '../support/postgres.js';
import type { Cluster, FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';

describe.skipIf(services().postgresBin === undefined)('migrate, beside a subscriber', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({
      settings: { wal_level: 'logical', wal_retrieve_retry_interval: '100ms', autovacuum: 'off' },
    });
  });
  afterAll(() => cluster.stop());

  let publisher: FreshDatabase;
  let subscriber: FreshDatabase;
  let slot: string;
  beforeEach(async () => {
    publisher = await freshDatabase(cluster.url);
    subscriber = await freshDatabase(cluster.url);
    slot = `of_${new URL(subscriber.url).pathname.slice(1)}`;
    for (const { url } of [publisher, subscriber]) await createSimplejwtTables(url, { users: false });
  });
  afterEach(async () => {
    await query(subscriber.url, 'ALTER SUBSCRIPTION copy DISABLE').catch(() => undefined);
    await query(subscriber.url, 'ALTER SUBSCRIPTION copy SET (slot_name = NONE)').catch(() => undefined);
    await query(subscriber.url, 'DROP SUBSCRIPTION IF EXISTS copy');
    await subscriber.drop();
    await query(
      publisher.url,
      'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1',
      [slot],
    );
    const dropSlot = () =>
      query(
        publisher.url,
        'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1',
        [slot],
      ).then(
        () => 'gone',
        () => 'in use',
      );
    await expect.poll(dropSlot, { timeout: 20_000 }).toBe('gone');
    await publisher.drop();
  });

  /** Made by hand, because CREATE SUBSCRIPTION would wait for itself within one cluster. */
  async function subscribe(publication: string): Promise<void> {
    await query(publisher.url, `CREATE PUBLICATION everything ${publication}`);
    await query(publisher.url, "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    await query(
      subscriber.url,
      `CREATE SUBSCRIPTION copy CONNECTION '${publisher.url}' PUBLICATION everything
         WITH (create_slot = false, slot_name = '${slot}')`,
    );
  }

  const write = (jti: string) =>
    query(
      publisher.url,
      `INSERT INTO ${OUTSTANDING} (token, expires_at, jti) VALUES ('', now() + interval '1 day', $1)`,
      [jti],
    );
  const arrives = (jti: string) =>
    expect
      .poll(() => query(subscriber.url, `SELECT jti FROM ${OUTSTANDING} WHERE jti = $1`, [jti]), {
        timeout: 30_000,
      })
      .toEqual([{ jti }]);
  const up = (subscribersReady = false) =>
    applyMigrations(publisher.url, { createTables: false, subscribersReady });
  const found = async () =>
    (await readMigrationOverview(publisher.url)).findings.find(({ code }) => code === 'published');

  it('refuses to stop it, says what to run there first, and does not stop it then', async () => {
    await subscribe('FOR ALL TABLES');
    await write('before');
    await arrives('before');

    const finding = await found();
    expect(finding).toMatchObject({
      severity: 'refuse',
      message: expect.stringMatching(
        RegExp(
          `publication everything.*carelink\\.migrations.*behind the slots ${slot}.*REFRESH PUBLICATION`,
        ),
      ) as string,
    });
    await expect(up()).rejects.toMatchObject({
      code: 'UNSAFE',
      message: expect.stringMatching(/--subscribers-ready/) as string,
    });
    expect(await query(publisher.url, "SELECT to_regnamespace('carelink') AS own")).toEqual([{ own: null }]);

    await query(subscriber.url, finding!.sql!);
    // It may be run again.
    await query(subscriber.url, finding!.sql!);
    await up(true);
    await write('after');
    await arrives('after');
    expect(
      await query(subscriber.url, 'SELECT apply_error_count::int AS errors FROM pg_stat_subscription_stats'),
    ).toEqual([{ errors: 0 }]);

    // As it advises: what was revoked is known there, too.
    await query(publisher.url, "INSERT INTO carelink.revoked_before VALUES ('1', now())");
    await query(subscriber.url, 'ALTER SUBSCRIPTION copy REFRESH PUBLICATION');
    await expect
      .poll(() => query(subscriber.url, 'SELECT user_key FROM carelink.revoked_before'), { timeout: 30_000 })
      .toEqual([{ user_key: '1' }]);
    // Nothing more is made, so nothing more is asked.
    expect(await found()).toBeUndefined();
    await up();
  });

  it('is right: without the tables there, a subscriber stops and holds up the tokens', async () => {
    await subscribe('FOR ALL TABLES');
    const { sql } = (await found())!;
    await up(true);
    await write('held up');
    await expect
      .poll(
        async () =>
          (
            await query<{ errors: number }>(
              subscriber.url,
              'SELECT apply_error_count::int AS errors FROM pg_stat_subscription_stats',
            )
          )[0]?.errors,
        { timeout: 30_000 },
      )
      .toBeGreaterThan(0);
    expect(await query(subscriber.url, `SELECT jti FROM ${OUTSTANDING}`)).toEqual([]);
    await query(subscriber.url, sql!);
    await arrives('held up');
  });

  it('heeds a publication of a schema only where it makes tables in that one', async () => {
    await subscribe('FOR TABLES IN SCHEMA public');
    expect(await found()).toBeUndefined();
    await query(
      publisher.url,
      'CREATE SCHEMA carelink; ALTER PUBLICATION everything ADD TABLES IN SCHEMA carelink',
    );
    expect(await found()).toMatchObject({ severity: 'refuse' });
  });

  it('only warns where nobody has subscribed yet', async () => {
    await query(publisher.url, 'CREATE PUBLICATION everything FOR ALL TABLES');
    expect(await found()).toMatchObject({ severity: 'warn' });
    await up();
  });

  it('says it in plan and in doctor', async () => {
    await subscribe('FOR ALL TABLES');
    const plan = await run(['migrate', 'plan'], { DATABASE_URL: publisher.url });
    expect(plan.stdout).toMatch(/stops it: The publication everything/);
    expect(plan.stdout).toMatch(
      /What to run on each subscriber first:\n {2}CREATE SCHEMA IF NOT EXISTS carelink;\n {2}CREATE TABLE IF NOT EXISTS carelink\.migrations/,
    );
    const source = { env: { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY }, cwd: '/', readFile: () => '' };
    const checks = await examine(doctorSettings({ 'database-url': publisher.url }, source));
    expect(checks.find(({ check }) => check === 'publications')).toMatchObject({ status: 'warning' });
  });
});
