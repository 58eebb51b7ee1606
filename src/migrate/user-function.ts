import { SchemaError } from '../store/errors.js';
import type { Ask } from '../store/database.js';
import { readTokenTablePlaces } from '../store/token-tables.js';
import { EXPIRY_INDEX_SQL, extraSecondsSql } from '../store/row-dates.js';
import { mayLiveUntilSql } from '../store/stored-jwt-sql.js';
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
  /** The role that the function belongs to. */
  readonly owner: string;
  readonly liveUntil: string;
  readonly extraLife: string;
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
 * @throws MigrateError UNSAFE where a user table was named that can't be used, or the function can't be given to the tables' owner
 */
export async function installUserFunction(session: Session, sql: string, names: UserNames): Promise<string> {
  const parts = await readParts(askSession(session), names).catch((error: unknown) => {
    if (!(error instanceof SchemaError)) throw error;
    throw new MigrateError('UNSAFE', error.message, { cause: error });
  });
  await checkOwner(askSession(session), parts);
  const settings = {
    outstanding: parts.outstanding,
    blacklisted: parts.blacklisted,
    user_id_type: parts.userIdType,
    user_table: parts.users,
    user_primary_column: parts.primaryColumn,
    user_id_column: parts.keyColumn,
    function_owner: parts.owner,
    live_until: parts.liveUntil,
    extra_life: parts.extraLife,
  };
  for (const [name, value] of Object.entries(settings))
    await session.query('SELECT set_config($1, $2, true)', [`carelink.${name}`, value]);
  await session.query(sql);
  return definitionOf(parts);
}

function definitionOf({ outstanding, users, primaryColumn, keyColumn, userIdType, owner }: Parts): string {
  const tokens = outstanding === '' ? 'no token tables' : outstanding;
  const made = `${tokens}; ${userIdType}; owner ${owner}`;
  return users === '' ? made : `${made}; ${users} (${primaryColumn}, ${keyColumn})`;
}

/**
 * Triggers of the blacklist run with the function's rights, and the table's owner writes them: were it whoever migrates, a
 * superuser mostly, Django's role would have his rights for the asking.
 *
 * @throws MigrateError UNSAFE
 */
async function checkOwner(ask: Ask, { owner, outstanding, users }: Parts): Promise<void> {
  const [row] = await ask<{
    role: string;
    may: boolean;
    quoted: string;
    unread: string | null;
    unlocked: boolean;
  }>(
    `SELECT current_user::text AS role, quote_ident($1) AS quoted,
            $1 = current_user OR (pg_has_role($1, 'USAGE')
              AND pg_has_role($1, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)) AS may,
            (SELECT string_agg(name, ', ') FROM unnest($2::text[]) AS name WHERE NOT has_any_column_privilege($1, name, 'SELECT')) AS unread,
            $3 <> '' AND NOT has_any_column_privilege($1, nullif($3, ''), 'UPDATE') AS unlocked`,
    [owner, [outstanding, users].filter((name) => name !== ''), outstanding],
  );
  if (row === undefined) throw new Error('the catalog said nothing of the role');
  const { role, quoted, may, unread, unlocked } = row;
  if (!may)
    throw new MigrateError(
      'UNSAFE',
      `revoke_user has to belong to ${owner}, the owner of the table that it writes to: that table's triggers run with its ` +
        `rights. The role ${role} can't give it to ${owner}. Run \`GRANT ${quoted} TO "${role}"\` as a superuser, or connect as ${owner}.`,
    );
  const grants = [
    ...(unread === null ? [] : [`GRANT SELECT ON ${unread} TO ${quoted};`]),
    ...(unlocked ? [`GRANT UPDATE ON ${outstanding} TO ${quoted};`] : []),
  ];
  if (grants.length > 0)
    throw new MigrateError(
      'UNSAFE',
      `revoke_user runs with the rights of ${owner}, the owner of the table that it writes to, and that role lacks some: each call ` +
        `would fail. Run \`${grants.join(' ')}\` as the owner of those tables, and migrate again.`,
    );
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
  const written = blacklisted ?? users?.relation;
  const [about] = await ask<{ owner: string }>(
    `SELECT coalesce((SELECT pg_get_userbyid(c.relowner) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                       WHERE n.nspname = $1 AND c.relname = $2), current_user)::text AS owner`,
    [written?.schema ?? null, written?.name ?? null],
  );
  const [index] =
    outstanding === undefined ? [] : await ask<{ found: boolean }>(EXPIRY_INDEX_SQL, [outstanding.qualified]);
  const both = outstanding !== undefined && blacklisted !== undefined;
  return {
    outstanding: both ? outstanding.qualified : '',
    blacklisted: both ? blacklisted.qualified : '',
    userIdType: type ?? 'text',
    users: users?.name ?? '',
    primaryColumn: users?.columns.primary ?? '',
    keyColumn: users?.columns.key ?? '',
    owner: about?.owner ?? '',
    liveUntil: both ? mayLiveUntilSql('o', 'extra', ANY_CLAIM) : '',
    extraLife: both ? extraSecondsSql(outstanding.qualified, index?.found === true) : '',
  };
}

/**
 * Which claim ends a sliding token of this site's is an option of `serve`. The greatest number of all of them is no earlier, and a
 * row too many is blacklisted sooner than one too few.
 */
const ANY_CLAIM = '[^"]+';

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
