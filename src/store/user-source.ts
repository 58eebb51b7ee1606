import type { Ask } from './database.js';
import { SchemaError } from './errors.js';
import { quoteIdentifier } from './quote.js';
import type { Relation } from './token-tables.js';
import { oidOf, parentWith, readRelation, userReference, type UserRelation } from './user-catalog.js';

/** Where the users are, and by which columns they are judged: found by the foreign key, or as the operator says. */
export interface UserSource {
  /** Qualified and quoted, ready for SQL. */
  readonly name: string;
  readonly relation: Relation;
  readonly kind: 'table' | 'view';
  /** The column that the token's user id claim holds, quoted. */
  readonly keyColumn: string;
  readonly keyType: string;
  /** The column that `user_id` refers to, quoted; mostly the same. */
  readonly primaryColumn: string;
  readonly activeColumn: string;
  /** Boolean, or a number that is true where it isn't 0. */
  readonly activeType: 'boolean' | 'number';
  /** All columns that are read, as the catalog has them. */
  readonly columns: {
    readonly key: string;
    readonly primary: string;
    readonly active: string;
    /** Absent: it is not compared. */
    readonly password?: string | undefined;
    /** What is put into access tokens; absent: nothing is. */
    readonly claims?: string | undefined;
  };
}

/** What an operator says of the users. */
export interface UserNames {
  /** Undefined: the table that the foreign key of `user_id` refers to. */
  readonly userTable: string | undefined;
  /** Undefined: the column that `user_id` refers to; of another table its primary key, else `id`. */
  readonly userIdColumn: string | undefined;
  readonly userActiveColumn: string;
}

export interface UserOptions extends UserNames {
  readonly userCheck: 'auto' | 'on' | 'off';
  /**
   * With `auto`, go on where activity can't be read, and check nobody: the embedded database has no users of anybody's,
   * and a revocation asks whose a token is, not whether he is active.
   */
  readonly mayLackUsers?: boolean;
}

/** What every refusal ends with: the ways out of it. */
const WAYS_OUT =
  'Name a table or a view that says it with --user-table (and --user-id-column, --user-active-column). ' +
  'Or say --user-check off: then deactivated and deleted users go on refreshing until their tokens expire.';

/**
 * Where the users are that are to be checked; undefined where nobody is.
 *
 * @throws SchemaError USER_TABLE_MISSING where activity can't be read, GRANTS_MISSING
 */
export async function usersToCheck(
  ask: Ask,
  outstanding: Relation,
  options: UserOptions,
): Promise<UserSource | undefined> {
  const { userCheck, userTable, userIdColumn, mayLackUsers = false } = options;
  if (userCheck === 'off') return undefined;
  try {
    return await findUsers(ask, outstanding, options);
  } catch (error) {
    const unread = error instanceof SchemaError && error.code === 'USER_TABLE_MISSING';
    const guessed = userCheck === 'auto' && userTable === undefined && userIdColumn === undefined;
    if (mayLackUsers && guessed && unread) return undefined;
    throw error;
  }
}

/**
 * The table that says who may refresh: the one that was named, else the one that `user_id` refers to. Nothing is
 * guessed: a table that happens to have the usual name may be one that Django left behind.
 *
 * @throws SchemaError USER_TABLE_MISSING where activity can't be read, GRANTS_MISSING
 */
export async function findUsers(ask: Ask, outstanding: Relation, names: UserNames): Promise<UserSource> {
  const reference = await userReference(ask, outstanding);
  const { userTable } = names;
  if (userTable === undefined && reference === undefined) {
    throw refused(
      `user_id of ${outstanding.qualified} refers to no table, so it can't be told which one says who is still active ` +
        `(Django's own is auth_user). ${WAYS_OUT}`,
    );
  }
  const oid = userTable === undefined ? reference?.table : await oidOf(ask, userTable);
  const users = oid === undefined ? undefined : await readRelation(ask, oid);
  if (users === undefined) {
    throw refused(
      `There is no user table ${userTable ?? ''}. Name it with --user-table, or turn the check off with --user-check off.`,
    );
  }
  const key = keyOf(users, reference?.table === oid ? reference?.column : undefined, names);
  return {
    name: users.relation.qualified,
    relation: users.relation,
    kind: users.kind,
    keyColumn: quoteIdentifier(key.name),
    keyType: key.type,
    primaryColumn: quoteIdentifier(key.primary),
    activeColumn: quoteIdentifier(names.userActiveColumn),
    activeType: await activeTypeOf(ask, users, key.name, names.userActiveColumn),
    columns: { key: key.name, primary: key.primary, active: names.userActiveColumn },
  };
}

/** @param referred the column that `user_id` refers to, where it is this table's */
function keyOf(
  { relation, primary: own, types }: UserRelation,
  referred: string | undefined,
  { userIdColumn }: UserNames,
): { readonly name: string; readonly type: string; readonly primary: string } {
  const primary = referred ?? own ?? (types['id'] === undefined ? userIdColumn : 'id');
  const name = userIdColumn ?? primary ?? 'id';
  const type = types[name];
  if (type === undefined) {
    throw refused(
      `The user table ${relation.qualified} has no column ${name}. Name the one that tokens hold with --user-id-column.`,
    );
  }
  return { name, type, primary: primary ?? name };
}

const NUMBERS = new Set(['smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision']);

async function activeTypeOf(
  ask: Ask,
  { oid, relation, bases }: UserRelation,
  key: string,
  column: string,
): Promise<'boolean' | 'number'> {
  const type = bases[column];
  if (type === undefined) {
    const parent = await parentWith(ask, oid, key, column);
    const hint = parent === undefined ? '' : `It inherits that from ${parent}: give --user-table ${parent}. `;
    throw refused(
      `The user table ${relation.qualified} has no column ${column}, so it can't be told who may refresh. ` +
        `${hint}If another column says so, name it with --user-active-column. ${WAYS_OUT}`,
    );
  }
  if (type === 'boolean') return 'boolean';
  if (NUMBERS.has(type)) return 'number';
  throw refused(
    `The column ${column} of ${relation.qualified} is neither boolean nor a number (${type}): it can't be ` +
      `told who may refresh. Name another with --user-active-column. ${WAYS_OUT}`,
  );
}

/** Whether a user's row says that he may refresh. Django stores a number where a field isn't boolean. */
export function activeSql({ activeColumn, activeType }: UserSource, row: string): string {
  return activeType === 'boolean' ? `${row}.${activeColumn}` : `${row}.${activeColumn} <> 0`;
}

/** The names of all columns that are read, each once: what a role needs to see, and a health check to name. */
export function columnsRead({ columns }: UserSource): string[] {
  return [...new Set(Object.values(columns).filter((column) => column !== undefined))];
}

function refused(message: string): SchemaError {
  return new SchemaError('USER_TABLE_MISSING', message);
}
