import { optional, valued } from './option.js';
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
