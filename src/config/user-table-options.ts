import { optional, valued } from './option.js';
import { columnName, tableName } from './sql-kinds.js';

/** Where the users are: `serve` looks at them, and the triggers of `migrate --notify` are on their table. */
export const USER_TABLE_OPTIONS = {
  'user-table': optional(tableName, {
    help: 'the table of users, also schema.table',
    absentText: 'what user_id refers to, else auth_user',
  }),
  'user-id-column': valued(columnName, { default: 'id', help: 'its column that the user id claim holds' }),
  'user-active-column': valued(columnName, {
    default: 'is_active',
    help: 'its column that says who may refresh',
  }),
};
