import type { Deed } from '../rotation/deed.js';
import { countDescendants, revokeDescendants, type RevokeContext } from '../rotation/revoke.js';
import type { TokenToBlacklist } from '../rotation/revocation-ports.js';
import type { CleanupSession } from '../cleanup/session.js';
import type { TokenSchema } from '../store/schema.js';
import type { PgRevocations } from '../store/revocations.js';
import { userKeyOf } from '../store/who-sql.js';
import { RevokeError } from './errors.js';

/** A token by its row, or by itself. */
export type Member =
  | { readonly kind: 'row'; readonly id: string; readonly jti: string; readonly userKey: string | undefined }
  | ({ readonly kind: 'token' } & TokenToBlacklist);

/** @throws RevokeError TOKEN_NOT_FOUND */
export async function findMember(session: CleanupSession, schema: TokenSchema, jti: string): Promise<Member> {
  const member = await memberWhere(session, schema, 'o.jti = $1', jti);
  if (member !== undefined) return member;
  throw new RevokeError(
    'TOKEN_NOT_FOUND',
    `No token with the jti ${jti} is in ${schema.outstanding}. Is it a refresh token's, and is --database-url right? ` +
      'A token without a row is revoked with --family, or with its user by --user.',
  );
}

/**
 * A session, by the row of any of its tokens: those that came of it are found from there.
 *
 * @throws RevokeError TOKEN_NOT_FOUND
 */
export async function findSession(session: CleanupSession, schema: TokenSchema, id: string): Promise<Member> {
  const member = await memberWhere(session, schema, 'o.id = $1::bigint', id);
  if (member !== undefined) return member;
  throw new RevokeError(
    'TOKEN_NOT_FOUND',
    `No session has the id ${id} in ${schema.outstanding}. Was it cleaned up, or is --database-url wrong? ` +
      'To end all sessions of a user, take --user.',
  );
}

async function memberWhere(
  session: CleanupSession,
  schema: TokenSchema,
  condition: string,
  value: string,
): Promise<Member | undefined> {
  const [row] = await session.query<{ id: string; jti: string; user_key: string | null }>(
    `SELECT o.id::text, o.jti, ${userKeyOf(schema, 'o')} AS user_key FROM ${schema.outstanding} o WHERE ${condition}`,
    [value],
  );
  return row && { kind: 'row', id: row.id, jti: row.jti, userKey: row.user_key ?? undefined };
}

/** Live tokens: this one, and what came of it. Changes nothing. */
export async function countFamily(context: RevokeContext, member: Member): Promise<number> {
  const [found] = await context.revocations.find([member.jti], Infinity);
  const self = found?.blacklisted === true ? 0 : 1;
  return self + (await countDescendants(context, member.jti));
}

/** What a command ends tokens with: also those that nobody has presented. */
export interface FamilyContext extends RevokeContext {
  readonly revocations: PgRevocations;
}

/** Revokes a token, and what came of it to the tip of its family (rule 8). Returns how many rows it blacklisted. */
export async function revokeFamily(context: FamilyContext, member: Member, deed: Deed): Promise<number> {
  const revocations = context.revocations.as(deed);
  // Of an expired token that was rotated and cleaned up no row tells that it was; its family may live on.
  const gone = member.kind === 'token' && (await revocations.find([member.jti], Infinity)).length === 0;
  const ended =
    member.kind === 'row'
      ? (await revocations.blacklistUnseen(member.id))
        ? 'now'
        : 'before'
      : await revocations.blacklist(member, Infinity);
  // Unspent until now, and never to be claimed any more: nothing follows it.
  if (ended === 'now' && !gone) return 1;
  return (ended === 'before' ? 0 : 1) + (await revokeDescendants(context, member, deed, Infinity));
}
