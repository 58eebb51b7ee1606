import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { migratedDatabase } from '../support/migrated-database.js';
import { createUsers, openClient, query, type FreshDatabase } from '../support/postgres.js';
import { services } from '../support/services.js';
import { issueTokens } from '../support/tokens.js';
import { REVOKE_SLOWLY, run, start, type Finished } from './run.js';

const TOKENS = 200;

interface Told {
  readonly event: string;
  readonly retries: number;
  readonly revoked: number;
}

describe.skipIf(services().postgres === undefined)('a revocation that is ended in the middle', () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await migratedDatabase();
    await issueTokens(database.url, await createUsers(database.url, TOKENS));
  });
  afterAll(() => database.drop());

  beforeEach(() => query(database.url, 'TRUNCATE token_blacklist_blacklistedtoken'));

  const revoked = async (): Promise<number> => {
    const [row] = await query<{ n: number }>(
      database.url,
      'SELECT count(*)::int AS n FROM token_blacklist_blacklistedtoken',
    );
    return row!.n;
  };

  /** Ends it by `end` when some tokens are revoked and others aren't. */
  async function ended(end: (pid: number) => Promise<unknown> | boolean): Promise<Finished> {
    const before = await revoked();
    const { child, finished } = start([...REVOKE_SLOWLY, '--database-url', database.url]);
    while ((await revoked()) === before) await sleep(5);
    await end(child.pid!);
    return finished;
  }

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s keeps what was finished, says so and exits with 130',
    async (signal) => {
      const { code, stdout, stderr } = await ended((pid) => process.kill(pid, signal));
      expect([code, stderr]).toEqual([130, '']);
      expect(stdout).toContain('Interrupted: what was finished is kept. Run it again for the rest.');
      expect(await revoked()).toBeLessThan(TOKENS);
    },
  );

  it('goes on where a batch was refused at its commit, and leaves none of its rows out', async () => {
    await query(
      database.url,
      `CREATE SEQUENCE commits;
       CREATE FUNCTION refuse_some() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF nextval('commits') % 7 = 3 THEN RAISE SQLSTATE '40001'; END IF;
         RETURN NULL;
       END $$;
       CREATE CONSTRAINT TRIGGER refuse_some AFTER INSERT ON token_blacklist_blacklistedtoken
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_some()`,
    );
    const flags = ['--issued-before', 'now', '--yes', '--batch-size', '4', '--json'];
    const { code, stdout, stderr } = await run(['revoke', ...flags, '--database-url', database.url]);
    await query(database.url, 'DROP TRIGGER refuse_some ON token_blacklist_blacklistedtoken');
    expect([code, stderr]).toEqual([0, '']);
    const { retries } = JSON.parse(stdout.trim().split('\n').at(-1)!) as { retries: number };
    expect(retries).toBeGreaterThan(5);
    expect(await revoked()).toBe(TOKENS);
  });

  it('by a signal ends at once, too, while others hold what it wants', async () => {
    const other = await openClient(database.url);
    await other.query('BEGIN; SELECT FROM token_blacklist_outstandingtoken FOR UPDATE');
    const { child, finished } = start([
      'revoke', '--issued-before', 'now', '--yes', '--json', '--database-url', database.url,
    ]); // prettier-ignore
    // It waits for a row, gives up, and waits again.
    for (let seen = 0; seen < 3;) {
      const waiting = await query(
        database.url,
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
      );
      seen += waiting.length;
    }
    child.kill('SIGTERM');
    const { code, signal, stdout } = await finished;
    expect([code, signal]).toEqual([130, null]);
    const { event, retries, revoked: count } = JSON.parse(stdout.trim().split('\n').at(-1)!) as Told;
    expect([event, count]).toEqual(['interrupted', 0]);
    // It would have tried a hundred times.
    expect(retries).toBeLessThan(90);
    await other.end();
  });

  const endSessions = () =>
    query(
      database.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );

  it('by an administrator who ends its session goes on over another one', async () => {
    const { code, stdout } = await ended(endSessions);
    expect([code, stdout]).toEqual([0, expect.stringContaining('Revoked ')]);
    expect(await revoked()).toBe(TOKENS);
  });

  it('by a database that lets nobody in any more says so, and exits with 4', async () => {
    const url = new URL(database.url);
    const name = url.pathname.slice(1);
    url.pathname = '/postgres';
    const allow = (what: boolean) => query(url.href, `ALTER DATABASE ${name} ALLOW_CONNECTIONS ${what}`);
    const end = () =>
      query(url.href, 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
    const { code, stderr } = await ended(async () => {
      await allow(false);
      await end();
    });
    await allow(true);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(
        /^error: DATABASE_UNREACHABLE: PostgreSQL at .*refused the connection.*\(55000\)\n$/,
      ),
    ]);
    expect(await revoked()).toBeLessThan(TOKENS);
  });

  it('is finished by the next one', async () => {
    const { code, stderr } = await run([
      'revoke',
      '--issued-before',
      'now',
      '--yes',
      '--database-url',
      database.url,
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(await revoked()).toBe(TOKENS);
  });
});
