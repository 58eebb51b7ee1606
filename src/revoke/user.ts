import type { CleanupSession } from '../cleanup/session.js';
import type { TokenSchema } from '../store/schema.js';
import { blacklistUserSql, countUserSql, REVOKE_BEFORE_SQL } from '../store/state-sql.js';
import { BEGIN_COUNT } from './batch-sql.js';
import { paced, type PacedOptions, type Tally } from './paced.js';

/** @param userKey in the form in which the database compares it */
export function countOfUser(session: CleanupSession, schema: TokenSchema, userKey: string): Promise<number> {
  return session.transaction(BEGIN_COUNT, async (query) => {
    const [row] = await query<{ live: number }>(countUserSql(schema), [userKey]);
    return { end: 'rollback', value: row?.live ?? 0 };
  });
}

/**
 * Revokes all that a user holds, tokens without a row included: as `PgTokenStore.revokeUser` does, which says why the
 * mark is set twice, but at the cleanup's pace.
 */
export async function revokeUser(
  session: CleanupSession,
  schema: TokenSchema,
  userKey: string,
  options: PacedOptions,
): Promise<Tally> {
  await session.query(REVOKE_BEFORE_SQL, [userKey]);
  const text = blacklistUserSql(schema, 'all');
  const tally = await paced(session, schema, options, async (query, limit) => {
    const [row] = await query<{ live: number; won: number }>(text, [userKey, limit]);
    const { live = 0, won = 0 } = row ?? {};
    return { seen: live, won, last: live === 0 };
  });
  await session.query(REVOKE_BEFORE_SQL, [userKey]);
  return tally;
}
