import type { Database } from './database.js';
import { isPrivilegeMissing, SchemaError } from './errors.js';
import { quoteIdentifier, quoteQualified } from './quote.js';
import { userKeyTypeOf, type UserKeyType } from './user-key.js';

/** What the catalog says of the tables: nothing of it is assumed (simplejwt.md). */
export interface TokenSchema {
  /** Qualified and quoted, ready for SQL. */
  readonly outstanding: string;
  readonly blacklisted: string;
  /** The type of `user_id` in the outstanding table. */
  readonly userIdType: string;
  /** Undefined where users are not checked. */
  readonly users: UserTable | undefined;
  /** The form in which a token's user id is compared and stored. */
  readonly userKeyType: UserKeyType;
  /** The role may put a row's `expires_at` off: without that a token that outlives its row comes back once it is cleaned up. */
  readonly mayKeep: boolean;
  /** The database's own encoding, as `server_encoding` names it. */
  readonly encoding: string;
}

export interface UserTable {
  readonly name: string;
  /** The column that the token's user id claim holds. */
  readonly keyColumn: string;
  readonly keyType: string;
  /** The column that `user_id` refers to; mostly the same. */
  readonly primaryColumn: string;
  readonly activeColumn: string;
}

export interface SchemaOptions {
  readonly userCheck: 'auto' | 'on' | 'off';
  /** Undefined: the table that the foreign key of `user_id` refers to, else `auth_user`. */
  readonly userTable: string | undefined;
  readonly userIdColumn: string;
  readonly userActiveColumn: string;
}

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';
const DJANGO_USERS = 'auth_user';

interface Relation {
  readonly name: string | null;
  readonly columns: Record<string, string> | null;
}

/**
 * Reads the catalog and tells what to work with.
 *
 * @throws SchemaError where the tables, our schema or (with `--user-check on`) the user table are missing, or out of reach
 */
export async function readSchema(database: Database, options: SchemaOptions): Promise<TokenSchema> {
  try {
    return await readCatalog(database, options);
  } catch (error) {
    // Of a schema that a role may not look into PostgreSQL doesn't even say whether a table is there.
    if (!isPrivilegeMissing(error)) throw error;
    throw new SchemaError(
      'GRANTS_MISSING',
      'The role of --database-url may not look into a schema that is needed here: carelink, or that of the user table. ' +
        'As the owner of the schema, run `GRANT USAGE ON SCHEMA carelink TO` that role, and ' +
        '`GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA carelink TO` it.',
    );
  }
}

async function readCatalog(database: Database, options: SchemaOptions): Promise<TokenSchema> {
  const outstanding = await relation(database, OUTSTANDING);
  const blacklisted = await relation(database, BLACKLISTED);
  if (outstanding.name === null || blacklisted.name === null) {
    throw new SchemaError(
      'TABLES_MISSING',
      `The database has no table ${outstanding.name === null ? OUTSTANDING : BLACKLISTED}. ` +
        "Run Django's `manage.py migrate token_blacklist` on it, or, where no Django is in charge, " +
        '`carelink-tokens migrate --create-tables`.',
    );
  }
  const userIdType = outstanding.columns?.['user_id'];
  if (userIdType === undefined) {
    throw new SchemaError(
      'COLUMNS_MISSING',
      `${OUTSTANDING} has no column user_id: this is not simplejwt's table.`,
    );
  }
  if ((await relation(database, 'carelink.revoked_before')).name === null) {
    throw new SchemaError(
      'CARELINK_SCHEMA_MISSING',
      'The schema carelink is not there yet. Run `carelink-tokens migrate` on this database first.',
    );
  }
  const users = options.userCheck === 'off' ? undefined : await readUsers(database, options);
  const [settings] = await database.query<{ encoding: string; may_keep: boolean }>('health', {
    text: `SELECT current_setting('server_encoding') AS encoding, has_column_privilege($1, 'expires_at', 'UPDATE') AS may_keep`,
    values: [outstanding.name],
  });
  return {
    outstanding: outstanding.name,
    blacklisted: blacklisted.name,
    userIdType,
    users,
    userKeyType: userKeyTypeOf(users?.keyType ?? userIdType),
    mayKeep: settings?.may_keep ?? false,
    encoding: settings?.encoding ?? 'UTF8',
  };
}

async function readUsers(database: Database, options: SchemaOptions): Promise<UserTable | undefined> {
  const reference = await userReference(database);
  const wanted = options.userTable ?? reference?.table ?? DJANGO_USERS;
  const { name, columns } = await relation(database, wanted);
  const missing = [options.userIdColumn, options.userActiveColumn].filter(
    (column) => columns?.[column] === undefined,
  );
  const keyType = columns?.[options.userIdColumn];
  if (name === null || keyType === undefined || missing.length > 0) {
    if (options.userCheck === 'auto' && options.userTable === undefined) return undefined;
    throw new SchemaError(
      'USER_TABLE_MISSING',
      name === null
        ? `There is no user table ${wanted}. Name it with --user-table, or turn the check off with --user-check off.`
        : `The user table ${wanted} has no column ${missing.join(', ')}. ` +
            'Name them with --user-id-column and --user-active-column.',
    );
  }
  if (columns?.[options.userActiveColumn] !== 'boolean') {
    throw new SchemaError(
      'USER_TABLE_MISSING',
      `The column ${options.userActiveColumn} of ${wanted} is no boolean. Name another with --user-active-column.`,
    );
  }
  return {
    name,
    keyColumn: quoteIdentifier(options.userIdColumn),
    keyType,
    primaryColumn: quoteIdentifier(
      reference?.table === name
        ? reference.column
        : columns['id'] === undefined
          ? options.userIdColumn
          : 'id',
    ),
    activeColumn: quoteIdentifier(options.userActiveColumn),
  };
}

/** What `user_id` refers to: Django's user model, whatever its name. */
async function userReference(database: Database): Promise<{ table: string; column: string } | undefined> {
  const [row] = await database.query<{ table: string; column: string }>('health', {
    text: `
      SELECT k.confrelid::regclass::text AS table, f.attname AS column
        FROM pg_constraint k
        JOIN pg_attribute o ON o.attrelid = k.conrelid AND o.attnum = k.conkey[1]
        JOIN pg_attribute f ON f.attrelid = k.confrelid AND f.attnum = k.confkey[1]
       WHERE k.conrelid = to_regclass($1) AND k.contype = 'f' AND o.attname = 'user_id'`,
    values: [OUTSTANDING],
  });
  return row;
}

/** A table's name as SQL wants it, and its columns' types; null where there is no such table. */
async function relation(database: Database, name: string): Promise<Relation> {
  const [row] = await database.query<Relation>('health', {
    text: `
      SELECT to_regclass($1)::text AS name,
             -- With -1, for a bare "character" would be one of them, and a key of char(26) cut down to its first letter.
             (SELECT jsonb_object_agg(a.attname, format_type(a.atttypid, -1))
                FROM pg_attribute a
               WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped) AS columns`,
    values: [quoteQualified(name)],
  });
  return row ?? { name: null, columns: null };
}
