import { oneOf } from './kinds.js';
import { optional, valued, type ValuesOf } from './option.js';
import type { UserNameSettings, UserSettings } from './settings.js';
import { columnName, tableName } from './sql-kinds.js';

/** Where the users are: `serve` looks at them, and the triggers of `migrate --notify` are on their table. */
export const USER_TABLE_OPTIONS = {
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
};

/** The same, for whoever checks users. */
export const USER_OPTIONS = {
  'user-check': valued(oneOf(['auto', 'on', 'off']), {
    default: 'auto',
    help: 'refuse tokens of inactive and deleted users; auto: on, but for the embedded database, which has no users',
  }),
  ...USER_TABLE_OPTIONS,
};

export function userNameSettings(values: ValuesOf<typeof USER_TABLE_OPTIONS>): UserNameSettings {
  return {
    userTable: values['user-table'],
    userIdColumn: values['user-id-column'],
    userActiveColumn: values['user-active-column'],
  };
}

export function userSettings(values: ValuesOf<typeof USER_OPTIONS>): UserSettings {
  return { userCheck: values['user-check'], ...userNameSettings(values) };
}
