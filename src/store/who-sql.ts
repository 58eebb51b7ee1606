import type { TokenSchema } from './schema.js';
import { activeSql, type UserSource } from './user-source.js';

/**
 * Who the user of a token is, and whether that user's tokens still count. Every statement that judges tokens has these
 * fragments and no others: the claim, the look-up, the write-behind, and what doctor asks.
 *
 * `input` is the alias of the statement's input, with the columns `user_key` (in canonical form) and `iat` (s).
 */

/** The facts, as columns of a SELECT; `standingOf` reads them. */
export function whoColumns(schema: Pick<TokenSchema, 'users'>, input: string): string {
  return `${isActive(schema, input)} AS active,
           ${isRevoked(input)} AS revoked`;
}

/** The same columns, handed on from one CTE to the next. */
export function whoNames(row: string): string {
  return `${row}.active, ${row}.revoked`;
}

/** Whether the columns of `whoColumns` let a token be refreshed. */
export const IN_GOOD_STANDING = 'active AND NOT revoked';

/** The same, where nothing is told of the reason. */
export function inGoodStanding(schema: TokenSchema, input: string): string {
  return `${isActive(schema, input)} AND NOT ${isRevoked(input)}`;
}

/** True for a token that names no user: simplejwt checks none then. */
function isActive(schema: Pick<TokenSchema, 'users'>, input: string): string {
  const { users } = schema;
  if (users === undefined) return 'true';
  return `(${input}.user_key IS NULL OR EXISTS (
             SELECT 1 FROM ${users.name} u
              WHERE u.${users.keyColumn} = ${input}.user_key::${users.keyType} AND ${activeSql(users, 'u')}))`;
}

/**
 * The key under which `carelink.revoked_before` holds what goes for everybody. No token has it for its user: an empty
 * user id names none (`claims.ts`).
 */
export const EVERYBODY = '';

/** A token without iat is as old as can be. What goes for everybody is read once a statement, not once a row. */
function isRevoked(input: string): string {
  const issued = `to_timestamp(coalesce(${input}.iat, 0))`;
  return `(EXISTS (SELECT 1 FROM carelink.revoked_before r
                    WHERE r.user_key = ${input}.user_key AND ${issued} < r.at)
            OR coalesce(${issued} < (SELECT e.at FROM carelink.revoked_before e WHERE e.user_key = '${EVERYBODY}'), false))`;
}

/** What `user_id` must hold for a token's user: the key itself, or the key of the row that it names. */
export function userIdOf(schema: TokenSchema, input: string): string {
  const { users } = schema;
  return users === undefined || users.keyColumn === users.primaryColumn
    ? `${input}.user_key::${schema.userIdType}`
    : existingUserIdOf(schema, input);
}

/** The same, and NULL where the user is gone: Django writes and blacklists such tokens as well. */
export function existingUserIdOf(schema: TokenSchema, input: string): string {
  const { users } = schema;
  if (users === undefined) return userIdOf(schema, input);
  return `(SELECT u.${users.primaryColumn} FROM ${users.name} u WHERE u.${users.keyColumn} = ${input}.user_key::${users.keyType})`;
}

/** Whether there is a user with the key: `userKey` is SQL of text, in canonical form. */
export function userIsThere({ name, keyColumn, keyType }: UserSource, userKey: string): string {
  return `EXISTS (SELECT FROM ${name} u WHERE u.${keyColumn} = ${userKey}::${keyType})`;
}

/** The way back: the key that tokens name, of a row's `user_id`. */
export function userKeyOf({ users }: TokenSchema, row: string): string {
  return users === undefined
    ? `${row}.user_id::text`
    : `(SELECT u.${users.keyColumn}::text FROM ${users.name} u WHERE u.${users.primaryColumn} = ${row}.user_id)`;
}
