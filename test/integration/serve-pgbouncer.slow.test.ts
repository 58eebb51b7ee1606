import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { cleanUp, openCleanupSession } from '../../src/cleanup/index.js';
import { CLIENTS, fight, historyOf, tally, winners } from '../chaos/one-winner.js';
import { checkHistory, describeViolation } from '../chaos/history-checker.js';
import { startFleet, type Fleet } from '../support/fleet.js';
import { startBouncer, type Bouncer } from '../support/pgbouncer.js';
import { createUsers, query, type FreshDatabase, openClient } from '../support/postgres.js';
import { startInstance, type Instance, type InstanceOptions } from '../support/rotation.js';
import { refreshUntilAnswered } from '../support/rotation-world.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';
import { PLAIN } from './cleanup-support/world.js';

const ready = services().pgbouncer !== undefined && services().postgres !== undefined;

describe.skipIf(!ready)('behind PgBouncer in transaction mode', () => {
  let database: FreshDatabase;
  let bouncer: Bouncer;
  const alterDatabase = (what: string) =>
    query(database.url, `ALTER DATABASE ${new URL(database.url).pathname.slice(1)} ${what}`);
  const instances: Instance[] = [];
  const bouncers: Bouncer[] = [];
  const start = async (options: InstanceOptions = {}) => {
    const instance = await startInstance(bouncer.url, options);
    instances.push(instance);
    return instance;
  };
  const open = async (mode = 'transaction'): Promise<Bouncer> => {
    const opened = await startBouncer(database.url, {
      pool_mode: mode,
      server_round_robin: '1',
      default_pool_size: '3',
    });
    bouncers.push(opened);
    return opened;
  };
  /** What is to be said without those defaults, too. */
  const withoutDefaults = async (): Promise<Bouncer> => {
    await alterDatabase('RESET ALL');
    return open();
  };
  const login = async () => (await issueTokens(database.url, await createUsers(database.url, 1)))[0]!;

  beforeAll(async () => {
    database = await migratedDatabase({ notify: true });
    // What nobody may rely on: the defaults of whoever set up this database.
    await alterDatabase("SET default_transaction_isolation = 'serializable'");
    // Each transaction has another session, and there are fewer than the servers have connections.
    bouncer = await open();
  });
  afterAll(async () => {
    await Promise.all(instances.map((instance) => instance.close()));
    for (const one of bouncers) await one.stop();
    await database.drop();
  });

  it('rotates, replays, verifies and logs out', async () => {
    const instance = await start({ graceUs: 60_000_000 });
    const { token } = await login();
    for (let n = 0, at = token; n < 10; n++) {
      const first = await instance.service.refresh(at);
      if (first.kind !== 'rotated') throw new Error(first.kind);
      expect(await instance.service.refresh(at)).toMatchObject({
        kind: 'rotated',
        refresh: first.refresh,
        replayed: true,
      });
      expect(await instance.service.verify(first.refresh)).toEqual({ kind: 'valid' });
      at = first.refresh;
    }
    expect(await instance.service.logout(token)).toEqual({ kind: 'logged_out' });
    expect(await instance.service.refresh(token)).toEqual({ kind: 'blacklisted' });
  });

  it("sets what it needs for each transaction, and leaves nothing of it in anybody else's session", async () => {
    const instance = await start();
    const tokens = await issueTokens(database.url, await createUsers(database.url, 20));
    await Promise.all(tokens.map(({ token }) => instance.service.refresh(token)));
    for (let n = 0; n < 6; n++) {
      expect(
        await query(
          bouncer.url,
          `SELECT current_setting('lock_timeout') AS lock_timeout, current_setting('enable_seqscan') AS seqscan,
                  current_setting('transaction_isolation') AS isolation, current_setting('carelink.quiet', true) AS quiet,
                  (SELECT count(*)::int FROM pg_prepared_statements) AS prepared`,
        ),
      ).toEqual([
        {
          lock_timeout: '0',
          seqscan: 'on',
          isolation: 'serializable',
          quiet: expect.toBeOneOf([null, '']),
          prepared: 0,
        },
      ]);
    }
  });

  it.each([
    ['transaction mode', undefined],
    ['statement mode, where an error ends the connection', 'statement'],
  ])(
    'waits for a lock no longer than anywhere else, and for nobody but its holder: in %s',
    async (_, mode) => {
      const url = mode === undefined ? bouncer.url : (await open(mode)).url;
      // In statement mode the pooler closes the connection with each lock that isn't got, and a lane rests before it opens
      // another: as long as a request may take by default there is time for that, on a busy machine as well.
      const requestTimeoutMs = mode === undefined ? 1_000 : 5_000;
      const instance = await startInstance(url, { requestTimeoutMs });
      instances.push(instance);
      const [held, free] = await issueTokens(database.url, await createUsers(database.url, 2));
      const holder = await openClient(database.url);
      try {
        await holder.query('BEGIN');
        await holder.query(
          `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
         SELECT now(), id FROM token_blacklist_outstandingtoken WHERE jti = $1`,
          [held!.jti],
        );
        const waiting = instance.service.refresh(held!.token);
        expect(await instance.service.refresh(free!.token)).toMatchObject({ kind: 'rotated' });
        expect(await waiting).toMatchObject({ kind: 'unavailable' });
        // It was given up several times, and not waited for to the end of the request's time.
        expect(instance.statements.get('claim')).toBeGreaterThan(2);
        await holder.query('ROLLBACK');
        expect(await refreshUntilAnswered(instance.service, held!.token)).toMatchObject({ kind: 'rotated' });
      } finally {
        await holder.end();
      }
    },
  );

  it('takes a user that is gone at COMMIT for what it is, and goes on', async () => {
    const instance = await start({ userCheck: 'off' });
    const { token } = await login();
    const { refresh: next } = (await instance.service.refresh(token)) as { refresh: string };
    await query(database.url, `SET session_replication_role = replica; DELETE FROM auth_user`);
    expect(await instance.service.refresh(next)).toEqual({ kind: 'inactive' });
    const other = await login();
    expect(await instance.service.refresh(other.token)).toMatchObject({ kind: 'rotated' });
  });

  it('cleans up, one runner at a time, and leaves its settings nowhere', async () => {
    const plain = await withoutDefaults();
    await query(
      database.url,
      `INSERT INTO token_blacklist_outstandingtoken (token, expires_at, jti)
       SELECT '', now() - interval '30 days', 'old' || n FROM generate_series(1, 3000) AS n`,
    );
    const sessions = await Promise.all([1, 2].map(() => openCleanupSession(plain.url)));
    try {
      const ends = await Promise.allSettled(
        sessions.map((session) => cleanUp(session, { ...PLAIN, batchSize: 100 })),
      );
      // The second waits for the first and finds nothing left, or gives up waiting.
      const refused = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
      for (const reason of refused) expect(reason).toMatchObject({ code: 'LEASE_HELD' });
      const deleted = ends.map((end) => (end.status === 'fulfilled' ? end.value.deleted : 0));
      expect(deleted.sort()).toEqual([0, 3000]);
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
    for (let n = 0; n < 6; n++) {
      expect(
        await query(
          plain.url,
          `SELECT current_setting('lock_timeout') AS lock_timeout, current_setting('synchronous_commit') AS commit,
                  (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory') AS locks`,
        ),
      ).toMatchObject([{ lock_timeout: '0', commit: 'on' }]);
    }
  });

  describe('the command', () => {
    let fleet: Fleet;
    let plain: Bouncer;
    beforeAll(async () => {
      plain = await withoutDefaults();
      fleet = await startFleet(2, { databaseUrl: plain.url });
    });
    afterAll(() => fleet.stop());

    it('lets one of 32 simultaneous refreshes at two servers win, round after round', async () => {
      const arena = { database, fleet, close: () => Promise.resolve() };
      // Rows of the tests before were not made by refreshes that anybody counted.
      await query(
        database.url,
        'TRUNCATE token_blacklist_outstandingtoken, token_blacklist_blacklistedtoken',
      );
      const rounds = await fight(arena, 20);
      expect(
        rounds.map((answers) => winners(answers).length),
        rounds.map(tally).join('\n'),
      ).toEqual(Array(20).fill(1));
      expect(rounds.flat()).toHaveLength(20 * CLIENTS);
      expect(checkHistory(await historyOf(arena, rounds), { graceMs: 0 }).map(describeViolation)).toEqual([]);
      fleet.assertAlive();
    });

    it('says that it can hear no changes by a pooler, and hears them by a direct connection', async () => {
      const changes = async (adminUrl: string) =>
        ((await (await fetch(`${adminUrl}/readyz`)).json()) as { checks: Record<string, string> }).checks[
          'changes'
        ];
      await expect.poll(() => changes(fleet.servers[0]!.adminUrl), { timeout: 60_000 }).toBe('pooler');
      expect(fleet.servers[0]!.output()).toContain('--listen-url');
      const [direct] = (await startFleet(1, { databaseUrl: plain.url, args: ['--listen-url', database.url] }))
        .servers;
      try {
        await expect.poll(() => changes(direct!.adminUrl), { timeout: 60_000 }).toBe('ok');
      } finally {
        await direct!.stop();
      }
    });
  });
});
