import pg from 'pg';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import {
  cleanUp,
  openCleanupSession,
  type CleanupOptions,
  type CleanupSession,
  type Summary,
} from '../../../src/cleanup/index.js';
import { migratedDatabase } from '../../support/migrated-database.js';
import { type TableOptions, openClient } from '../../support/postgres.js';

/** Full speed, no VACUUM: what a test says otherwise it says. */
export const PLAIN: CleanupOptions = {
  retentionMs: 7 * 86_400_000,
  leewayMs: 0,
  batchSize: undefined,
  targetBatchMs: 25,
  nice: 0,
  vacuum: 'off',
};

export interface CleanupWorld {
  readonly url: string;
  readonly client: pg.Client;
  readonly session: CleanupSession;
  readonly sql: <Row extends object>(text: string, values?: unknown[]) => Promise<Row[]>;
  run(options?: Partial<CleanupOptions>): Promise<Summary>;
  stop(): Promise<void>;
}

/**
 * A migrated database, a connection of the test's own, and one for cleanups.
 *
 * @param clock what its clock says, see fakeClock()
 */
export async function startWorld(
  tables: TableOptions = {},
  { adminUrl, clock }: { adminUrl?: string; clock?: string } = {},
): Promise<CleanupWorld> {
  const database = await migratedDatabase(tables, adminUrl);
  if (clock !== undefined) await fakeClock(database.url, clock);
  const client = new pg.Client({ connectionString: database.url });
  client.on('error', () => undefined);
  await client.connect();
  const session = await openCleanupSession(database.url);
  return {
    url: database.url,
    client,
    session,
    sql: async <Row extends object>(text: string, values?: unknown[]) =>
      (await client.query<Row>(text, values)).rows,
    run: (options = {}) => cleanUp(session, { ...PLAIN, ...options }),
    async stop() {
      await session.close();
      await client.end();
      await database.drop();
    },
  };
}

/**
 * Sets this database's clock: clock_timestamp() of its new sessions tells what is in `fake.now`. A schema that is
 * named before pg_catalog is looked in first.
 */
export async function fakeClock(url: string, at: string): Promise<void> {
  const client = await openClient(url);
  await client.query(`
    CREATE SCHEMA fake;
    CREATE TABLE fake.now (at timestamptz NOT NULL);
    CREATE FUNCTION fake.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT at FROM fake.now'`);
  await client.query('INSERT INTO fake.now VALUES ($1)', [at]);
  const name = new URL(url).pathname.slice(1);
  await client.query(`ALTER DATABASE ${name} SET search_path = fake, pg_catalog, public`);
  await client.end();
}

/**
 * Rows as simplejwt leaves them, of which so many expired 8 to 38 days ago and so many are alive; eight of ten are
 * blacklisted.
 */
export async function fill(
  sql: CleanupWorld['sql'],
  { expired, live }: { expired: number; live: number },
): Promise<void> {
  await sql(
    `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, jti)
     SELECT 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.' || rtrim(translate(encode(convert_to(
              '{"token_type":"refresh","exp":' || exp || ',"iat":' || (exp - 43200) || ',"jti":"' || md5(n::text)
              || '","user_id":"' || n % 3000 || '"}', 'UTF8'), 'base64'), E'+/\\n', '-_'), '=') || '.' || repeat('x', 43),
            to_timestamp(exp - 43200), to_timestamp(exp), md5(n::text)
       FROM (SELECT n, floor(extract(epoch FROM now()))::bigint
                       + CASE WHEN n <= $1::int THEN -38 * 86400 + n * 2592000::bigint / $1 ELSE n % 40000 END AS exp
               FROM generate_series(1, $1::int + $2::int) AS n) AS moments`,
    [expired, live],
  );
  await sql(
    `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
     SELECT created_at + interval '14 minutes', id FROM token_blacklist_outstandingtoken WHERE id % 10 < 8`,
  );
  await sql('ANALYZE');
}

/** Blacklist rows without their outstanding row; and expired or live rows that are left. */
export async function census(
  sql: CleanupWorld['sql'],
): Promise<{ orphans: number; expired: number; live: number; blacklisted: number }> {
  const [row] = await sql<{ orphans: number; expired: number; live: number; blacklisted: number }>(
    `SELECT (SELECT count(*) FROM token_blacklist_blacklistedtoken b
              WHERE NOT EXISTS (SELECT FROM token_blacklist_outstandingtoken o WHERE o.id = b.token_id))::int AS orphans,
            (SELECT count(*) FROM token_blacklist_outstandingtoken WHERE expires_at <= now() - interval '7 days')::int AS expired,
            (SELECT count(*) FROM token_blacklist_outstandingtoken WHERE expires_at > now() - interval '7 days')::int AS live,
            (SELECT count(*) FROM token_blacklist_blacklistedtoken)::int AS blacklisted`,
  );
  return row!;
}

/** A world for the tests of a file, emptied before each of them. */
export function cleanupWorld(): () => CleanupWorld {
  let world: CleanupWorld;
  beforeAll(async () => {
    world = await startWorld();
  });
  beforeEach(() =>
    world.sql(`TRUNCATE token_blacklist_outstandingtoken, token_blacklist_blacklistedtoken RESTART IDENTITY;
               TRUNCATE carelink.cleanup_lease`),
  );
  afterAll(() => world.stop());
  return () => world;
}

/** A session of somebody else's, which may lose its connection. */
export async function connectTo({ url }: CleanupWorld): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
