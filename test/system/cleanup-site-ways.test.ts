import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openCleanupSession, cleanUp, type CleanupEvent } from '../../src/cleanup/index.js';
import { readFacts } from '../../src/cleanup/catalog.js';
import { vacuum } from '../../src/cleanup/vacuum.js';
import { grantedRole } from '../support/granted-role.js';
import { services } from '../support/services.js';
import {
  cleanupWorld,
  connectTo,
  fill,
  PLAIN,
  type CleanupWorld,
} from '../integration/cleanup-support/world.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

describe.skipIf(services().postgres === undefined)('a cleanup, at sites that have ways of their own', () => {
  const given = cleanupWorld();
  let world: CleanupWorld;
  beforeEach(() => void (world = given()));

  /** The world is the same for all tests: what is made in one goes with it. */
  const forNow = async (make: string, drop: string): Promise<void> => {
    await world.sql(make);
    onTestFinished(async () => {
      await world.sql(drop);
    });
  };

  it('goes on past rows that a trigger protects, and names them and the trigger', async () => {
    await fill(world.sql, { expired: 600, live: 5 });
    await forNow(
      `CREATE FUNCTION legal_hold() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF OLD.id IN (1, 2, 300) THEN RAISE EXCEPTION 'held: %', OLD.token; END IF;
         RETURN OLD;
       END $$;
       CREATE TRIGGER legal_hold BEFORE DELETE ON ${OUTSTANDING} FOR EACH ROW EXECUTE FUNCTION legal_hold()`,
      'DROP FUNCTION legal_hold() CASCADE',
    );
    const events: CleanupEvent[] = [];
    const summary = await world.run({ onEvent: (event) => events.push(event) });
    expect(summary).toMatchObject({
      ended: 'done',
      deleted: 597,
      steppedOver: 0,
      protected: {
        rows: 3,
        ids: ['1', '2', '300'],
        by: 'the trigger function legal_hold refused it (P0001)',
      },
      backlogRows: 3,
    });
    expect(JSON.stringify([events, summary])).not.toContain('eyJ');
    // And again the next time.
    expect(await world.run()).toMatchObject({ ended: 'done', deleted: 0, protected: { rows: 3 } });
  });

  it('ends where a trigger protects all rows, and says which', async () => {
    await fill(world.sql, { expired: 1_200, live: 5 });
    await forNow(
      `CREATE FUNCTION keep_all() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no'; END$$;
       CREATE TRIGGER keep_all BEFORE DELETE ON ${OUTSTANDING} FOR EACH ROW EXECUTE FUNCTION keep_all()`,
      'DROP FUNCTION keep_all() CASCADE',
    );
    await expect(world.run()).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringMatching(/1000 rows one after the other.*keep_all/) as string,
    });
  });

  it('writes no log-out into the audit of a site that nobody made', async () => {
    await fill(world.sql, { expired: 40, live: 5 });
    // Without blacklist rows, so that the cleanup has to find out who is writing one.
    await world.sql(`DELETE FROM ${BLACKLISTED}`);
    await forNow(
      `CREATE TABLE audit (what text, id bigint);
       CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN INSERT INTO audit VALUES (TG_OP, CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END); RETURN NULL; END $$;
       CREATE TRIGGER audit AFTER INSERT OR DELETE ON ${BLACKLISTED} FOR EACH ROW EXECUTE FUNCTION audit()`,
      'DROP FUNCTION audit() CASCADE; DROP TABLE audit',
    );
    const writer = await connectTo(world);
    await writer.query('BEGIN');
    // Of a live token: nothing that the cleanup is about.
    await writer.query(
      `INSERT INTO ${BLACKLISTED} (blacklisted_at, token_id)
       SELECT now(), max(id) FROM ${OUTSTANDING} WHERE expires_at > now()`,
    );
    const summary = await world.run();
    await writer.query('COMMIT');
    await writer.end();
    expect(summary).toMatchObject({ ended: 'done', deleted: 40 });
    expect(await world.sql('SELECT what, id < 0 AS false FROM audit')).toEqual([
      { what: 'INSERT', false: false },
    ]);
  });

  it('lets rows of other tables follow where their foreign keys say so', async () => {
    await fill(world.sql, { expired: 20, live: 5 });
    await forNow(
      `CREATE TABLE devices (token_id bigint REFERENCES ${OUTSTANDING} ON DELETE CASCADE);
       CREATE TABLE logins (token_id bigint REFERENCES ${OUTSTANDING} ON DELETE SET NULL)`,
      'DROP TABLE devices, logins, visits',
    );
    for (const table of ['devices', 'logins'])
      await world.sql(`INSERT INTO ${table} SELECT id FROM ${OUTSTANDING} ORDER BY id LIMIT 1`);
    const events: CleanupEvent[] = [];
    expect(await world.run({ onEvent: (event) => events.push(event) })).toMatchObject({ deleted: 20 });
    expect(events[0]).toEqual({
      event: 'others_follow',
      keys: [
        'devices (devices_token_id_fkey), CASCADE',
        'logins (logins_token_id_fkey), SET NULL or DEFAULT',
      ],
    });
    expect(
      await world.sql('SELECT (SELECT count(*) FROM devices)::int AS devices, token_id FROM logins'),
    ).toEqual([{ devices: 0, token_id: null }]);
    await world.sql(`CREATE TABLE visits (token_id bigint REFERENCES ${OUTSTANDING})`);
    await expect(world.run()).rejects.toMatchObject({ code: 'REFERENCED' });
  });

  it('says which tables a VACUUM passed over, and why', async () => {
    const facts = await readFacts(world.session.query);
    expect(await vacuum(world.session, facts, false)).toEqual([]);
    const holder = await connectTo(world);
    await holder.query(`BEGIN; LOCK ${OUTSTANDING} IN SHARE UPDATE EXCLUSIVE MODE`);
    expect(await vacuum(world.session, facts, false)).toEqual([{ table: OUTSTANDING, why: 'locked' }]);
    await holder.end();
    const role = await grantedRole(world.url, ['cleanup']);
    const theirs = await openCleanupSession(role.url);
    expect(await vacuum(theirs, facts, false)).toEqual([
      { table: BLACKLISTED, why: 'not owner' },
      { table: OUTSTANDING, why: 'not owner' },
    ]);
    await theirs.close();
    await role.drop();
  });

  it('tells of room that few rows hold on to', async () => {
    await fill(world.sql, { expired: 12_000, live: 50 });
    // Long tokens, stored in the row itself: 96 MB.
    await world.sql(`ALTER TABLE ${OUTSTANDING} ALTER COLUMN token SET STORAGE PLAIN`);
    await world.sql(`UPDATE ${OUTSTANDING} SET token = token || repeat('x', 7000) WHERE expires_at < now()`);
    const { room } = await world.run({ vacuum: 'auto', retentionMs: 3_600_000, extraLifetimeMs: 0 });
    expect(room).toMatchObject([{ table: OUTSTANDING }]);
    expect(room[0]!.bytes).toBeGreaterThan(64 * 2 ** 20);
    expect(room[0]!.neededBytes).toBeLessThan(2 ** 20);
  });

  it('is interrupted while it waits for the lease, and loses its backend, by codes of their own', async () => {
    await world.sql(
      `INSERT INTO carelink.cleanup_lease (name, owner, holder, expires_at)
       VALUES ('cleanup', gen_random_uuid(), 'elsewhere', now() + interval '1 hour')`,
    );
    const stopped = new AbortController();
    const waiting = world.run({ signal: stopped.signal });
    stopped.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'INTERRUPTED' });
    await world.sql('DELETE FROM carelink.cleanup_lease');

    await fill(world.sql, { expired: 500, live: 5 });
    const session = await openCleanupSession(world.url);
    const ended = cleanUp(session, {
      ...PLAIN,
      batchSize: 1,
      onEvent: ({ event }) => {
        if (event === 'started')
          void world.sql(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE datname = current_database() AND application_name = 'carelink-tokens cleanup' AND pid <> $1`,
            [world.session.backend],
          );
      },
    });
    await expect(ended).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    await session.close();
  });
});
