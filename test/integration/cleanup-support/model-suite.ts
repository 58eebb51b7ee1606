import fc from 'fast-check';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { cleanUp, openCleanupSession, type CleanupSession } from '../../../src/cleanup/index.js';
import { mayGo, NOW, RETENTION_MS, stateArbitrary, timestampOf, type Row } from './model.js';
import { PLAIN, startWorld, type CleanupWorld } from './world.js';

/** Random tables, cleaned up for real, compared with an oracle. */
export function modelSuite(states: number): void {
  let world: CleanupWorld;
  let session: CleanupSession;
  beforeAll(async () => {
    // No users' table: a token's user may be unknown.
    world = await startWorld({ users: false }, { clock: NOW });
    session = await openCleanupSession(world.url);
  });
  afterAll(async () => {
    await session.close();
    await world.stop();
  });

  const load = async (rows: readonly Row[]): Promise<void> => {
    await world.sql(
      `TRUNCATE token_blacklist_blacklistedtoken, token_blacklist_outstandingtoken RESTART IDENTITY`,
    );
    await world.sql(
      `INSERT INTO token_blacklist_outstandingtoken (token, created_at, expires_at, user_id, jti)
       SELECT token, CASE WHEN made THEN expires::timestamptz - interval '12 hours' END, expires::timestamptz, user_id, 'j' || n
         FROM unnest($1::text[], $2::boolean[], $3::text[], $4::int[]) WITH ORDINALITY AS t(token, made, expires, user_id, n)
        ORDER BY n`,
      [
        rows.map(({ token }) => token),
        rows.map(({ createdAt }) => createdAt),
        rows.map(({ expires }) => timestampOf(expires)),
        rows.map(({ userId }) => userId),
      ],
    );
    await world.sql(
      `INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) SELECT now(), unnest($1::bigint[])`,
      [rows.flatMap(({ blacklisted }, at) => (blacklisted ? [at + 1] : []))],
    );
  };

  it(`removes exactly what may go, in ${states} random tables`, async () => {
    // This host's clock plays no part, however wrong it is.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2099-01-01') });
    try {
      await fc.assert(
        fc.asyncProperty(stateArbitrary, async ({ rows, batchSize }) => {
          await load(rows);
          const summary = await cleanUp(session, {
            ...PLAIN,
            retentionMs: RETENTION_MS,
            // What rows made at random show of a site's tokens is not what is tried here.
            extraLifetimeMs: 0,
            batchSize,
          });
          const left = await world.sql<{ outstanding: number[] | null; blacklisted: number[] | null }>(
            `SELECT (SELECT array_agg(id::int ORDER BY id) FROM token_blacklist_outstandingtoken) AS outstanding,
                    (SELECT array_agg(token_id::int ORDER BY token_id) FROM token_blacklist_blacklistedtoken) AS blacklisted`,
          );
          const stays = rows.flatMap((row, at) => (mayGo(row) ? [] : [{ id: at + 1, row }]));
          expect(left[0]!.outstanding ?? []).toEqual(stays.map(({ id }) => id));
          expect(left[0]!.blacklisted ?? []).toEqual(
            stays.filter(({ row }) => row.blacklisted).map(({ id }) => id),
          );
          expect(summary).toMatchObject({
            ended: 'done',
            deleted: rows.length - stays.length,
            kept: stays.filter(
              ({ row: { expires } }) => expires === '-infinity' || (expires !== 'infinity' && expires <= 0n),
            ).length,
          });
        }),
        {
          numRuns: states,
          ...(process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) }),
        },
      );
    } finally {
      vi.useRealTimers();
    }
  });
}
