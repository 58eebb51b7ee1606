import type { Ask } from './database.js';
import { SchemaError } from './errors.js';
import { quoteIdentifier } from './quote.js';
import type { Relation } from './token-tables.js';
import { checkPasswordHash, type PasswordHash } from './password-hash.js';
import { mayExclude, refuseGuess } from './user-exclusions.js';
import {
  isNumber,
  oidOf,
  parentWith,
  readRelation,
  schemasWith,
  userReference,
  type UserRelation,
} from './user-catalog.js';

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
  /** Quoted; undefined: every user who is there may refresh. */
  readonly activeColumn: string | undefined;
  /** How the password's hash was made that tokens hold; undefined: no password is compared. */
  readonly passwordHash?: PasswordHash | undefined;
  /** Boolean, or a number that is true where it isn't 0. */
  readonly activeType: 'boolean' | 'number';
  /** Columns that may keep users out whom Django's own query or rule keeps out, and that are not read. */
  readonly unread: readonly string[];
  /** All columns that are read, as the catalog has them. */
  readonly columns: {
    readonly key: string;
    readonly primary: string;
    readonly active: string | undefined;
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
  /** The column of the password. */
  readonly passwordColumn?: string | undefined;
  /** How the hash was made that tokens hold of it; undefined: it isn't looked at. */
  readonly passwordHash?: PasswordHash | undefined;
  /** Undefined: `claims`, where a view has it. */
  readonly userClaimsColumn?: string | undefined;
  /** Undefined: `auto`. */
  readonly userCheck?: UserCheck;
}

/**
 * Who may refresh: who is active (`auto`, `on`), every user who is there (`exists`), anybody (`off`). `auto` lets anybody
 * where there are no users, in the embedded database.
 */
export type UserCheck = 'auto' | 'on' | 'exists' | 'off';

export interface UserOptions extends UserNames {
  readonly userCheck: UserCheck;
  /**
   * With `auto`, go on where activity can't be read, and check nobody: the embedded database has no users of anybody's,
   * and a revocation asks whose a token is, not whether he is active.
   */
  readonly mayLackUsers?: boolean;
}

/** What every refusal ends with: the ways out of it. */
const WAYS_OUT =
  'Name a table or a view that says it with --user-table (and --user-id-column, --user-active-column). ' +
  'Or say --user-check exists: then only users who were deleted are refused. ' +
  'Or say --user-check off: then deactivated and deleted users go on refreshing until their tokens expire.';

/**
 * Where the users are that are to be checked; undefined where nobody is.
 *
 * @throws SchemaError USER_TABLE_MISSING where activity can't be read, GRANTS_MISSING
 */
export async function usersToCheck(
  ask: Ask,
  outstanding: Relation | undefined,
  options: UserOptions,
): Promise<UserSource | undefined> {
  const { userCheck, userTable, userIdColumn, passwordHash, mayLackUsers = false } = options;
  if (userCheck === 'off') return undefined;
  try {
    return await findUsers(ask, outstanding, options);
  } catch (error) {
    const unread = error instanceof SchemaError && error.code === 'USER_TABLE_MISSING';
    const guessed =
      userCheck === 'auto' &&
      userTable === undefined &&
      userIdColumn === undefined &&
      passwordHash === undefined;
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
export async function findUsers(
  ask: Ask,
  outstanding: Relation | undefined,
  names: UserNames,
): Promise<UserSource> {
  const reference = outstanding && (await userReference(ask, outstanding));
  const { userTable } = names;
  if (userTable === undefined && reference === undefined) {
    throw refused(
      `${unreferred(outstanding)}, so it can't be told which one says who is still active ` +
        `(Django's own is auth_user). ${WAYS_OUT}`,
    );
  }
  const oid = userTable === undefined ? reference?.table : await oidOf(ask, userTable);
  const users = oid === undefined ? undefined : await readRelation(ask, oid);
  if (users === undefined) {
    const elsewhere = userTable === undefined ? [] : await schemasWith(ask, userTable);
    const found = elsewhere.map((schema) => `${schema}.${userTable ?? ''}`).join(', ');
    throw refused(
      `There is no user table ${userTable ?? ''}${found === '' ? '' : ` in the search path, but there is ${found}`}. ` +
        'Name it with --user-table, or turn the check off with --user-check off.',
    );
  }
  const key = keyOf(users, reference?.table === oid ? reference?.column : undefined, names);
  const checksActive = names.userCheck !== 'exists';
  const active = checksActive ? names.userActiveColumn : undefined;
  if (userTable === undefined) refuseGuess(users, key.name, active);
  return {
    name: users.relation.qualified,
    relation: users.relation,
    kind: users.kind,
    keyColumn: quoteIdentifier(key.name),
    keyType: key.type,
    primaryColumn: quoteIdentifier(key.primary),
    activeColumn: active === undefined ? undefined : quoteIdentifier(active),
    activeType: active === undefined ? 'boolean' : await activeTypeOf(ask, users, key.name, active),
    unread: userTable === undefined ? mayExclude(users, active) : [],
    columns: {
      key: key.name,
      primary: key.primary,
      active,
      ...(await passwordOf(ask, users, names)),
      claims: claimsOf(users, names),
    },
    passwordHash: names.passwordHash,
  };
}

/** The column of a view that goes into access tokens. A table's is its own business. */
function claimsOf(
  { kind, relation, types }: UserRelation,
  { userClaimsColumn }: UserNames,
): string | undefined {
  if (kind !== 'view') {
    if (userClaimsColumn === undefined) return undefined;
    throw refused(
      `--user-claims-column takes a column of a view, and ${relation.qualified} is a table. Make a view with the columns ` +
        'id, is_active and claims, and name it with --user-table.',
    );
  }
  const column = userClaimsColumn ?? 'claims';
  const type = types[column];
  if (type === undefined && userClaimsColumn === undefined) return undefined;
  if (type === 'jsonb') return column;
  throw refused(
    type === undefined
      ? `The view ${relation.qualified} has no column ${column}. Name another with --user-claims-column.`
      : `The column ${column} of the view ${relation.qualified} is of the type ${type}, and claims must be jsonb. Cast it, or ` +
          'rename it if it is not meant for access tokens.',
  );
}

function unreferred(outstanding: Relation | undefined): string {
  return outstanding === undefined
    ? 'There are no token tables that refer to the users'
    : `user_id of ${outstanding.qualified} refers to no table`;
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

/** @throws SchemaError USER_TABLE_MISSING where there is no such column, HASH_UNAVAILABLE */
async function passwordOf(
  ask: Ask,
  { relation, types }: UserRelation,
  { passwordColumn: column = 'password', passwordHash: hash }: UserNames,
): Promise<{ readonly password?: string }> {
  if (hash === undefined) return {};
  if (types[column] === undefined) {
    throw refused(
      `The user table ${relation.qualified} has no column ${column}, so --revoke-claim has nothing to be compared with. ` +
        'Name the one that holds the password with --user-password-column.',
    );
  }
  await checkPasswordHash(ask, hash);
  return { password: column };
}

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
  if (isNumber(type)) return 'number';
  throw refused(
    `The column ${column} of ${relation.qualified} is neither boolean nor a number (${type}): it can't be ` +
      `told who may refresh. Name another with --user-active-column. ${WAYS_OUT}`,
  );
}

/** Whether a user's row says that he may refresh. Django stores a number where a field isn't boolean. */
export function activeSql({ activeColumn, activeType }: UserSource, row?: string): string {
  if (activeColumn === undefined) return 'true';
  const column = row === undefined ? activeColumn : `${row}.${activeColumn}`;
  return activeType === 'boolean' ? column : `${column} <> 0`;
}

/** The names of all columns that are read, each once: what a role needs to see, and a health check to name. */
export function columnsRead({ columns }: UserSource): string[] {
  return [...new Set(Object.values(columns).filter((column) => column !== undefined))];
}

function refused(message: string): SchemaError {
  return new SchemaError('USER_TABLE_MISSING', message);
}
