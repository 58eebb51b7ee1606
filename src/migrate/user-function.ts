import { SchemaError } from '../store/errors.js';
import type { Ask } from '../store/database.js';
import { readTokenTablePlaces } from '../store/token-tables.js';
import { readRelation, userReference } from '../store/user-catalog.js';
import { findUsers, type UserNames, type UserSource } from '../store/user-source.js';
import { MigrateError } from './errors.js';
import { askSession, type Session } from './session.js';

/** What the function `revoke_user` is made of. */
export interface WantedUserFunction {
  /** As the ledger keeps it. */
  readonly definition: string;
  /** An option names the users: what is there must be so. Otherwise it is enough that it is about the same tables. */
  readonly said: boolean;
}

/** In SQL's words; empty: there is none. */
interface Parts {
  readonly outstanding: string;
  readonly blacklisted: string;
  readonly userIdType: string;
  readonly users: string;
  readonly primaryColumn: string;
  readonly keyColumn: string;
}

/** `unusable`: the user table that an option names, and why. */
export async function wantedUserFunction(
  ask: Ask,
  names: UserNames,
): Promise<WantedUserFunction | { readonly unusable: string }> {
  try {
    const definition = definitionOf(await readParts(ask, names));
    return { definition, said: names.userTable !== undefined || names.userIdColumn !== undefined };
  } catch (error) {
    if (error instanceof SchemaError) return { unusable: error.message };
    throw error;
  }
}

/**
 * Makes it, in the transaction that this is called in, and tells the ledger of what.
 *
 * @throws MigrateError UNSAFE where a user table was named that can't be used
 */
export async function installUserFunction(session: Session, sql: string, names: UserNames): Promise<string> {
  const parts = await readParts(askSession(session), names).catch((error: unknown) => {
    if (!(error instanceof SchemaError)) throw error;
    throw new MigrateError('UNSAFE', error.message, { cause: error });
  });
  const settings = {
    outstanding: parts.outstanding,
    blacklisted: parts.blacklisted,
    user_id_type: parts.userIdType,
    user_table: parts.users,
    user_primary_column: parts.primaryColumn,
    user_id_column: parts.keyColumn,
  };
  for (const [name, value] of Object.entries(settings))
    await session.query('SELECT set_config($1, $2, true)', [`carelink.${name}`, value]);
  await session.query(sql);
  return definitionOf(parts);
}

function definitionOf({ outstanding, users, primaryColumn, keyColumn, userIdType }: Parts): string {
  const tokens = outstanding === '' ? 'no token tables' : outstanding;
  return users === ''
    ? `${tokens}; ${userIdType}`
    : `${tokens}; ${userIdType}; ${users} (${primaryColumn}, ${keyColumn})`;
}

/**
 * The tokens' user by his primary key: the table that `user_id` refers to, unless another one is named. Who may refresh is
 * not asked: whoever is revoked may be anybody.
 *
 * @throws SchemaError
 */
async function readParts(ask: Ask, names: UserNames): Promise<Parts> {
  const { found } = await readTokenTablePlaces(ask);
  const { outstanding, blacklisted } = found ?? {};
  const reference = outstanding && (await userReference(ask, outstanding));
  const referred = reference && (await readRelation(ask, reference.table));
  const bare = {
    ...names,
    userCheck: 'exists' as const,
    passwordHash: undefined,
    userClaimsColumn: undefined,
  };
  const userTable = names.userTable ?? referred?.relation.qualified;
  let users: UserSource | undefined =
    userTable === undefined ? undefined : await findUsers(ask, outstanding, { ...bare, userTable });
  // A view may leave out whoever may not refresh: whether there is such a user is for the table to say.
  if (users?.kind === 'view' && users.columns.key === users.columns.primary)
    users = referred && (await findUsers(ask, outstanding, { ...bare, userTable: referred.relation.qualified, userIdColumn: undefined })); // prettier-ignore
  const type = await typeOf(
    ask,
    outstanding === undefined ? users?.relation : outstanding,
    outstanding === undefined ? users?.columns.primary : 'user_id',
  );
  const both = outstanding !== undefined && blacklisted !== undefined;
  return {
    outstanding: both ? outstanding.qualified : '',
    blacklisted: both ? blacklisted.qualified : '',
    userIdType: type ?? 'text',
    users: users?.name ?? '',
    primaryColumn: users?.columns.primary ?? '',
    keyColumn: users?.columns.key ?? '',
  };
}

/** With its schema, for the function has no search path. */
async function typeOf(
  ask: Ask,
  relation: { readonly schema: string; readonly name: string } | undefined,
  column: string | undefined,
): Promise<string | undefined> {
  if (relation === undefined || column === undefined) return undefined;
  const [row] = await ask<{ type: string }>(
    `SELECT CASE WHEN n.nspname = 'pg_catalog' THEN format_type(t.oid, -1) ELSE format('%I.%I', n.nspname, t.typname) END AS type
       FROM pg_attribute a
       JOIN pg_class c ON c.oid = a.attrelid
       JOIN pg_namespace cn ON cn.oid = c.relnamespace
       JOIN pg_type t ON t.oid = a.atttypid
       JOIN pg_namespace n ON n.oid = t.typnamespace
      WHERE cn.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND NOT a.attisdropped`,
    [relation.schema, relation.name, column],
  );
  return row?.type;
}
