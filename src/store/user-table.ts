import type { Ask } from './database.js';
import { isPrivilegeMissing, SchemaError } from './errors.js';
import { quoteIdentifier, quoteQualified } from './quote.js';
import type { Relation } from './token-tables.js';

export interface UserTable {
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
  /** The same columns as the catalog has them. */
  readonly columns: { readonly key: string; readonly primary: string; readonly active: string };
}

export interface UserOptions {
  readonly userCheck: 'auto' | 'on' | 'off';
  /** Undefined: the table that the foreign key of `user_id` refers to. */
  readonly userTable: string | undefined;
  /** Undefined: the column that `user_id` refers to; of another table its primary key, else `id`. */
  readonly userIdColumn: string | undefined;
  readonly userActiveColumn: string;
}

const NUMBERS = new Set(['smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision']);

/** What every refusal ends with: the ways out of it. */
const WAYS_OUT =
  'Name a table or a view that says it with --user-table (and --user-id-column, --user-active-column). ' +
  'Or say --user-check off: then deactivated and deleted users go on refreshing until their tokens expire.';

/**
 * The table that says who may refresh: the one that was named, else the one that `user_id` refers to. Nothing is
 * guessed: a table that happens to have the usual name may be one that Django left behind.
 *
 * @throws SchemaError USER_TABLE_MISSING where activity can't be read, GRANTS_MISSING
 */
export async function readUserTable(
  ask: Ask,
  outstanding: Relation,
  options: UserOptions,
): Promise<UserTable> {
  const reference = await userReference(ask, outstanding);
  const { userTable, userActiveColumn } = options;
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
  const refers = reference?.table === oid ? reference?.column : undefined;
  const primary = refers ?? users.primary ?? (users.types['id'] === undefined ? options.userIdColumn : 'id');
  const key = options.userIdColumn ?? primary ?? 'id';
  const keyType = users.types[key];
  const active = users.bases[userActiveColumn];
  if (keyType === undefined) {
    throw refused(
      `The user table ${users.relation.qualified} has no column ${key}. Name the one that tokens hold with --user-id-column.`,
    );
  }
  if (active === undefined) {
    const parent = await parentWith(ask, users.oid, key, userActiveColumn);
    const hint = parent === undefined ? '' : `It inherits that from ${parent}: give --user-table ${parent}. `;
    throw refused(
      `The user table ${users.relation.qualified} has no column ${userActiveColumn}, so it can't be told who may refresh. ` +
        `${hint}If another column says so, name it with --user-active-column. ${WAYS_OUT}`,
    );
  }
  if (active !== 'boolean' && !NUMBERS.has(active)) {
    throw refused(
      `The column ${userActiveColumn} of ${users.relation.qualified} is neither boolean nor a number (${active}): it can't be ` +
        `told who may refresh. Name another with --user-active-column. ${WAYS_OUT}`,
    );
  }
  return {
    name: users.relation.qualified,
    relation: users.relation,
    kind: users.kind,
    keyColumn: quoteIdentifier(key),
    keyType,
    primaryColumn: quoteIdentifier(primary ?? key),
    activeColumn: quoteIdentifier(userActiveColumn),
    activeType: active === 'boolean' ? 'boolean' : 'number',
    columns: { key, primary: primary ?? key, active: userActiveColumn },
  };
}

/** Whether a user's row says that he may refresh. Django stores a number where a field isn't boolean. */
export function activeSql({ activeColumn, activeType }: UserTable, row: string): string {
  return activeType === 'boolean' ? `${row}.${activeColumn}` : `${row}.${activeColumn} <> 0`;
}

function refused(message: string): SchemaError {
  return new SchemaError('USER_TABLE_MISSING', message);
}

/** What `user_id` refers to: Django's user model, whatever its name. */
async function userReference(
  ask: Ask,
  { schema, name }: Relation,
): Promise<{ table: number; column: string } | undefined> {
  const [row] = await ask<{ table: number; column: string }>(
    `SELECT k.confrelid AS table, f.attname::text AS column
       FROM pg_constraint k
       JOIN pg_class c ON c.oid = k.conrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute o ON o.attrelid = k.conrelid AND o.attnum = k.conkey[1]
       JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
      WHERE n.nspname = $1 AND c.relname = $2 AND k.contype = 'f' AND cardinality(k.conkey) = 1
        AND o.attname = 'user_id'
      ORDER BY k.oid
      LIMIT 1`,
    [schema, name],
  );
  return row;
}

async function oidOf(ask: Ask, name: string): Promise<number | undefined> {
  try {
    const [row] = await ask<{ oid: number | null }>('SELECT to_regclass($1)::oid AS oid', [
      quoteQualified(name),
    ]);
    return row?.oid ?? undefined;
  } catch (error) {
    // Of a schema that a role may not look into PostgreSQL doesn't even say whether a table is there.
    if (!isPrivilegeMissing(error)) throw error;
    throw new SchemaError(
      'GRANTS_MISSING',
      `The role of --database-url may not look into the schema of --user-table ${name}. As its owner, GRANT USAGE ON SCHEMA ` +
        'to that role; `carelink-tokens migrate grants` prints all that is needed.',
    );
  }
}

interface UserRelation {
  readonly oid: number;
  readonly relation: Relation;
  readonly kind: 'table' | 'view';
  /** Of one column. */
  readonly primary: string | undefined;
  /** Of its columns, by name: as declared, and what a domain is made of. */
  readonly types: Readonly<Record<string, string>>;
  readonly bases: Readonly<Record<string, string>>;
}

async function readRelation(ask: Ask, oid: number): Promise<UserRelation | undefined> {
  const [row] = await ask<{
    schema: string;
    name: string;
    qualified: string;
    kind: string;
    key: string | null;
    types: Record<string, string> | null;
    bases: Record<string, string> | null;
  }>(
    `SELECT n.nspname::text AS schema, c.relname::text AS name, format('%I.%I', n.nspname, c.relname) AS qualified,
            c.relkind::text AS kind,
            (SELECT a.attname::text
               FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
              WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1) AS key,
            -- With -1, for a bare "character" would be one of them, and a key of char(26) cut down to its first letter.
            (SELECT jsonb_object_agg(a.attname, format_type(a.atttypid, -1))
               FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS types,
            (SELECT jsonb_object_agg(a.attname, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), -1))
               FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS bases
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.oid = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
    [oid],
  );
  if (row === undefined) return undefined;
  const { schema, name, qualified, kind, key, types, bases } = row;
  return {
    oid,
    relation: { schema, name, qualified },
    kind: kind === 'r' || kind === 'p' ? 'table' : 'view',
    primary: key ?? undefined,
    types: types ?? {},
    bases: bases ?? {},
  };
}

/** Django's inherited models: the child's key refers to its parent, which has the column. */
async function parentWith(ask: Ask, oid: number, key: string, column: string): Promise<string | undefined> {
  const [row] = await ask<{ parent: string }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS parent
       FROM pg_constraint k
       JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
       JOIN pg_class c ON c.oid = k.confrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE k.conrelid = $1 AND k.contype = 'f' AND cardinality(k.conkey) = 1 AND a.attname = $2
        AND EXISTS (SELECT FROM pg_attribute p
                     WHERE p.attrelid = k.confrelid AND p.attname = $3 AND NOT p.attisdropped)`,
    [oid, key, column],
  );
  return row?.parent;
}
