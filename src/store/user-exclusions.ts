import { SchemaError } from './errors.js';
import { quoteIdentifier } from './quote.js';
import { isNumber, type UserRelation } from './user-catalog.js';

/**
 * Names of columns by which Django sites keep users out without changing `is_active`: soft deletion by a manager (Django
 * packages: deleted, deleted_at, is_deleted, is_removed) and locks that a rule of the site's asks for.
 */
const EXCLUDES =
  /^(is_|date_|user_|account_)?(soft_?)?(deleted|removed|archived|locked|blocked|banned|suspended|disabled|deactivated)(_(at|on|date|time|until|by|by_cascade))?$/;

/** Whether a start refuses to guess on account of a column of this name. */
export const keepsUsersOut = (column: string): boolean => EXCLUDES.test(column);

/** Columns that a rule may ask for, and mostly doesn't: told, and no reason to refuse. */
const MAY_EXCLUDE = /^(is_|email_|user_|account_|is_email_)?(verified|confirmed|approved)(_(at|on|date))?$/;

/** Columns that are not read, and that the site's rule may ask for. */
export function mayExclude(users: UserRelation, active: string | undefined): string[] {
  return columnsLike(users, MAY_EXCLUDE, active);
}

function columnsLike({ types }: UserRelation, like: RegExp, active: string | undefined): string[] {
  return Object.keys(types).filter((column) => column !== active && like.test(column));
}

/**
 * Nobody has said which table it is, and the one that was found says more of who is gone than its active column does.
 *
 * @throws SchemaError USER_TABLE_MISSING
 */
export function refuseGuess(users: UserRelation, key: string, active: string | undefined): void {
  const columns = columnsLike(users, EXCLUDES, active);
  // A table that lacks the active column is refused for that.
  if (columns.length === 0 || (active !== undefined && users.types[active] === undefined)) return;
  const { qualified } = users.relation;
  const all = columns.map((column) => `${column} (${users.types[column] ?? ''})`).join(', ');
  const conditions = [
    ...(active === undefined ? [] : [saysYes(users, active)]),
    ...columns.map((c) => saysNo(users, c)),
  ];
  throw new SchemaError(
    'USER_TABLE_MISSING',
    `The user table ${qualified} has the column ${all}. Users whom Django keeps out by it would go on refreshing here. ` +
      `Make a view of who may refresh, \`CREATE VIEW carelink_users AS SELECT ${quoteIdentifier(key)} AS id, ` +
      `${conditions.join(' AND ')} AS is_active FROM ${qualified};\`, and say --user-table carelink_users. ` +
      `Where it keeps nobody out, name the table: --user-table ${qualified}.`,
  );
}

function saysYes({ bases }: UserRelation, column: string): string {
  return bases[column] === 'boolean' ? quoteIdentifier(column) : `${quoteIdentifier(column)} <> 0`;
}

/** A flag that isn't set; a time, or a name, that isn't there. */
function saysNo({ bases }: UserRelation, column: string): string {
  const name = quoteIdentifier(column);
  if (bases[column] === 'boolean') return `NOT ${name}`;
  if (column.endsWith('_until')) return `(${name} IS NULL OR ${name} <= now())`;
  return isNumber(bases[column]) ? `${name} = 0` : `${name} IS NULL`;
}
