import { oneOf, text } from './kinds.js';
import { inGroup, optional, valued, type ValuesOf } from './option.js';
import type { UserSettings } from './parts.js';
import { columnName, tableName } from './sql-kinds.js';
import { PASSWORD_HASHES } from './vocabulary.js';

/** Who may refresh: `serve` asks in every claim, and the triggers of `migrate --notify` are on the table of users. */
export const USER_OPTIONS = inGroup('Users', {
  'user-check': valued(oneOf(['auto', 'on', 'exists', 'off']), {
    default: 'auto',
    help: 'whose tokens are refused; auto, on: of inactive and deleted users; exists: of deleted users; off: of nobody. auto is off for the embedded database without users',
  }),
  'user-table': optional(tableName, {
    help: 'the table or view of users, also schema.table',
    absentText: 'what user_id refers to',
  }),
  'user-id-column': optional(columnName, {
    help: 'its column that the user id claim holds',
    absentText: 'the one that user_id refers to; of another table its primary key, else id',
  }),
  'user-active-column': valued(columnName, {
    default: 'is_active',
    help: 'its column that says who may refresh: a boolean, or a number that is not 0',
  }),
  'user-claims-column': optional(columnName, {
    help: 'the column of a view (jsonb) that goes into each new access token',
    absentText: 'claims, where the view has it',
  }),
});

/** A changed password: `serve` compares it, and the triggers of `migrate --notify` tell of it. */
export const PASSWORD_OPTIONS = inGroup('Users', {
  'revoke-claim': optional(text('claim'), {
    help: "simplejwt's REVOKE_TOKEN_CLAIM, where CHECK_REVOKE_TOKEN is on: refuse tokens from before the password was changed",
    absentText: 'passwords are not compared',
  }),
  'revoke-claim-hash': valued(oneOf(PASSWORD_HASHES), {
    default: 'md5',
    help: 'the hash of the password that this claim holds, in upper-case hex',
  }),
  'user-password-column': valued(columnName, {
    default: 'password',
    help: 'the column of the user table that holds the password',
  }),
});

export function userSettings(values: ValuesOf<typeof USER_OPTIONS>): UserSettings {
  return {
    userCheck: values['user-check'],
    userTable: values['user-table'],
    userIdColumn: values['user-id-column'],
    userActiveColumn: values['user-active-column'],
    userClaimsColumn: values['user-claims-column'],
  };
}

/** The hash is there where passwords are compared. */
export function passwordSettings(
  values: ValuesOf<typeof PASSWORD_OPTIONS>,
): Pick<UserSettings, 'passwordColumn' | 'passwordHash'> {
  const compared = values['revoke-claim'] !== undefined;
  return {
    passwordColumn: values['user-password-column'],
    ...(compared ? { passwordHash: values['revoke-claim-hash'] } : {}),
  };
}
