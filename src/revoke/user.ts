import { WORKED_MS, type CleanupSession, type Worked } from '../cleanup/session.js';
import type { Deed } from '../rotation/deed.js';
import { deedValue, type Audited } from '../store/audit-sql.js';
import type { RowDates } from '../store/row-dates.js';
import type { TokenSchema } from '../store/schema.js';
import { blacklistUserSql, countUserSql, revokeBeforeSql } from '../store/revocation-sql.js';
import { userIsThere } from '../store/who-sql.js';
import { BEGIN_COUNT } from './batch-sql.js';
import { RevokeError } from './errors.js';
import { paced, type PacedOptions, type Tally } from './paced.js';

/**
 * @param userKey in the form in which the database compares it
 * @returns false: nobody knows, for users are not checked
 * @throws RevokeError USER_NOT_FOUND
 */
export async function findUser(
  session: CleanupSession,
  { users }: Pick<TokenSchema, 'users'>,
  userKey: string,
): Promise<boolean> {
  if (users === undefined) return false;
  const text = `SELECT ${userIsThere(users, '$1::text')} AS found`;
  const [row] = await session.query<{ found: boolean }>(text, [userKey]);
  if (row?.found === true) return true;
  throw new RevokeError(
    'USER_NOT_FOUND',
    `No user has the ${users.columns.key} ${userKey} in ${users.name}. Nothing was revoked. --user takes the id that tokens name ` +
      '(USER_ID_CLAIM), not a username. Tokens of a user who was deleted are refused while users are checked; to revoke ' +
      'them all the same, add --user-check off.',
  );
}

/** Of a site without token tables: the mark is all that there is to be set. */
export async function markUser(
  session: CleanupSession,
  owned: Audited,
  userKey: string,
  deed: Deed,
): Promise<void> {
  const { audits = false } = owned;
  await session.query(revokeBeforeSql(owned, audits ? '$2' : undefined), [userKey, ...(audits ? [deedValue(deed)] : [])]); // prettier-ignore
}

/** @param userKey in the form in which the database compares it */
export function countOfUser(
  session: CleanupSession,
  schema: TokenSchema,
  { extraSeconds }: RowDates,
  userKey: string,
): Promise<number> {
  return session.transaction(BEGIN_COUNT, async (query) => {
    const [row] = await query<{ live: number }>(countUserSql(schema), [userKey, extraSeconds]);
    return { end: 'rollback', value: row?.live ?? 0 };
  });
}

/**
 * Revokes all that a user holds, tokens without a row included: as `PgRevocations.revokeUser` does, which says why the
 * mark is set twice, but at the cleanup's pace.
 */
export async function revokeUser(
  session: CleanupSession,
  schema: TokenSchema,
  { extraSeconds }: RowDates,
  userKey: string,
  deed: Deed,
  options: PacedOptions,
): Promise<Tally> {
  await markUser(session, schema, userKey, deed);
  const { audits = false } = schema;
  // It ends with its list of columns.
  const text = `${blacklistUserSql(schema, 'all', audits ? '$4' : undefined)}, ${WORKED_MS}`;
  const recorded = audits ? [deedValue(deed)] : [];
  const tally = await paced(session, schema, options, undefined, async (query, limit) => {
    const [row] = await query<Worked & { readonly live: number; readonly won: number }>(text, [
      userKey,
      extraSeconds,
      limit,
      ...recorded,
    ]);
    const { live = 0, won = 0, worked_ms = 0 } = row ?? {};
    return { seen: live, won, workedMs: worked_ms, last: live === 0, next: undefined };
  });
  await markUser(session, schema, userKey, deed);
  return tally;
}
