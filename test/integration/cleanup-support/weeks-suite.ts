import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, startCluster } from '../../support/postgres.js';
import { services } from '../../support/services.js';
import { type CleanupWorld, startWorld } from './world.js';

const DAYS = 42;

/** Rows live for 12 hours and 7 days more: until then none goes, and the tables are as dense as they will ever be. */
const FULL_DAY = 7;

/**
 * From then on nothing may grow. It takes B-trees that long where the days are small: pages that were emptied are used
 * again only when transactions enough have passed since (seen: growing until the 24th day, and not a page after it).
 */
const STEADY_DAY = 28;

/** Where the database's clock begins: years from this host's, which must play no part. */
const BEGINNING = '2033-01-01 00:00:00+00';

/** B-trees over random keys go on breathing a little: a small one by a page. */
const MOST_GROWTH = 1.1;
const PAGE_BYTES = 8192;

/** Of all together, against the full day's: what is dead until the next VACUUM, and pages that are not quite full. */
const MOST_SPACE = 2;

const SIZES = `
  SELECT c.relname AS name, pg_relation_size(c.oid)::int AS bytes FROM pg_class c
   WHERE c.oid IN ('token_blacklist_outstandingtoken'::regclass, 'token_blacklist_blacklistedtoken'::regclass)
      OR c.oid IN (SELECT indexrelid FROM pg_index
                    WHERE indrelid IN ('token_blacklist_outstandingtoken'::regclass,
                                       'token_blacklist_blacklistedtoken'::regclass))
   ORDER BY c.relname`;

/**
 * Six weeks of traffic, a day at a time: the day's tokens are issued and most of them rotated, the clock is set to the
 * next midnight, and a cleanup runs.
 *
 * @param autovacuum does a VACUUM a day in the place of PostgreSQL's, which comes by the wall clock; where so much is
 *   removed that the cleanup's own VACUUM pays there is no need for it
 */
export function weeksSuite({ rowsADay, autovacuum }: { rowsADay: number; autovacuum: boolean }): void {
  describe.skipIf(services().postgresBin === undefined)('six weeks with cleanup on', () => {
    // A server of its own: an emptied page is used again only when no transaction of the whole server can be on its way to it.
    let cluster: Cluster;
    let world: CleanupWorld;
    beforeAll(async () => {
      cluster = await startCluster();
      world = await startWorld({ users: false }, { adminUrl: cluster.url, clock: BEGINNING });
    });
    afterAll(async () => {
      await world.stop();
      await cluster.stop();
    });

    it(`tables and indexes stay as large as they are, at ${rowsADay} tokens a day for six weeks`, async () => {
      const { sql } = world;
      const sizes: { day: number; bytes: Map<string, number> }[] = [];
      for (let day = 1; day <= DAYS; day++) {
        await traffic(sql, day, rowsADay);
        await sql(`UPDATE fake.now SET at = $1::timestamptz + $2 * interval '1 day'`, [BEGINNING, day]);
        const summary = await world.run({ vacuum: 'auto' });
        expect(summary).toMatchObject({ ended: 'done', kept: 0, steppedOver: 0 });
        if (day > FULL_DAY + 1) expect(summary.deleted).toBe(rowsADay);
        if (autovacuum) {
          await sql('VACUUM token_blacklist_outstandingtoken');
          await sql('VACUUM token_blacklist_blacklistedtoken');
        }
        const rows = await sql<{ name: string; bytes: number }>(SIZES);
        sizes.push({ day, bytes: new Map(rows.map(({ name, bytes }) => [name, bytes])) });
      }
      const kB = ([name, bytes]: [string, number]) => [name, Math.round(bytes / 1024)];
      console.table(
        Object.fromEntries(
          sizes
            .filter(({ day }) => day % 7 === 0)
            .map(({ day, bytes }) => [`day ${day}, kB`, Object.fromEntries([...bytes].map(kB))]),
        ),
      );
      const steady = sizes[STEADY_DAY - 1]!.bytes;
      for (const { day, bytes } of sizes.slice(STEADY_DAY)) {
        for (const [name, size] of bytes) {
          const most = Math.max(steady.get(name)! * MOST_GROWTH, steady.get(name)! + PAGE_BYTES);
          expect(size, `${name} on day ${day}`).toBeLessThanOrEqual(most);
        }
      }
      const total = (day: number) =>
        [...sizes[day - 1]!.bytes.values()].reduce((sum, bytes) => sum + bytes, 0);
      expect(total(DAYS) / total(FULL_DAY)).toBeLessThanOrEqual(MOST_SPACE);
    });
  });
}

/** Tokens of a day, valid for 12 hours; nine of ten are rotated 14 minutes later. */
async function traffic(sql: CleanupWorld['sql'], day: number, rows: number): Promise<void> {
  await sql(
    `WITH moments AS (
       SELECT md5($2::int || '-' || n) AS jti, 1 + n % 300 AS user_id,
              date_trunc('second', $1::timestamptz + ($2::int - 1 + n::float8 / $3) * interval '1 day') AS at
         FROM generate_series(1, $3::int) AS n
     )
     INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
     SELECT 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.' || rtrim(translate(encode(convert_to(
              '{"token_type":"refresh","exp":' || extract(epoch FROM at)::bigint + 43200 || ',"iat":'
              || extract(epoch FROM at)::bigint || ',"jti":"' || jti || '","user_id":' || user_id || '}', 'UTF8'), 'base64'),
              E'+/\\n', '-_'), '=') || '.' || repeat('x', 43),
            at, at + interval '12 hours', user_id, jti
       FROM moments ORDER BY at`,
    [BEGINNING, day, rows],
  );
  await sql(
    `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id)
     SELECT created_at + interval '14 minutes', id FROM token_blacklist_outstandingtoken
      WHERE created_at > $1::timestamptz + ($2::int - 1) * interval '1 day' AND id % 10 < 9`,
    [BEGINNING, day],
  );
}
