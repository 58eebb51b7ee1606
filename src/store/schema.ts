import { askOf, type Ask, type Database } from './database.js';
import { SchemaError } from './errors.js';
import { DEFAULT_OWN, type Owned } from './own-schema.js';
import {
  allTables,
  readTokenTablePlaces,
  tablesThere,
  tokenTablesOf,
  type Relation,
} from './token-tables.js';
import { userKeyTypeOf, type UserKeyType } from './user-key.js';
import { usersToCheck, type UserOptions, type UserSource } from './user-source.js';

/** What is known of any site: of one without the blacklist app this is all. */
export interface SiteSchema extends Owned {
  /** Undefined where users are not checked. */
  readonly users: UserSource | undefined;
  /** The form in which a token's user id is compared and stored. */
  readonly userKeyType: UserKeyType;
  /** The database's own encoding, as `server_encoding` names it. */
  readonly encoding: string;
  /** Deeds are recorded; absent: the migration `audit` is pending, and all is done as before it. */
  readonly audits?: boolean;
}

/** What the catalog says of the tables: nothing of it is assumed (simplejwt.md). */
export interface TokenSchema extends SiteSchema {
  /** Qualified and quoted, ready for SQL: no search path changes what they mean. */
  readonly outstanding: string;
  readonly blacklisted: string;
  readonly relations: { readonly outstanding: Relation; readonly blacklisted: Relation };
  /** The type of `user_id` in the outstanding table. */
  readonly userIdType: string;
  /** The role may put a row's `expires_at` off: without that a token that outlives its row comes back once it is cleaned up. */
  readonly mayKeep: boolean;
  /** The claim of stored tokens that says until when a sliding one can be extended; undefined: `refresh_exp`. */
  readonly slidingEnd?: string | undefined;
  /** It isn't written down which Django schema ours belongs to: the migration `home` is pending. */
  readonly homeUnwritten: boolean;
}

/** For whoever works on a database that an older release migrated. */
export const AUDIT_PENDING =
  'the migration audit is pending, so log-outs and revocations are not recorded: run carelink-tokens migrate, then restart the servers';

/** What an operator says of the tables. */
export interface SchemaOptions extends UserOptions {
  readonly slidingEnd?: string | undefined;
}

/** What a claim reads and writes of each table. */
const COLUMNS = {
  outstanding: ['id', 'token', 'created_at', 'expires_at', 'user_id', 'jti'],
  blacklisted: ['id', 'blacklisted_at', 'token_id'],
} as const;

/**
 * Reads the catalog and tells what to work with.
 *
 * @throws SchemaError where the tables, our schema or what says who is active are missing, or belong to another Django
 */
export function readSchema(database: Database, options: SchemaOptions): Promise<TokenSchema> {
  return readSchemaBy(askOf(database), options);
}

/**
 * The same, over any connection.
 *
 * @throws like readSchema
 */
export async function readSchemaBy(ask: Ask, options: SchemaOptions): Promise<TokenSchema> {
  const places = await readTokenTablePlaces(ask);
  const { outstanding, blacklisted, own, migrated, homeUnwritten } = tokenTablesOf(places);
  const userIdType = await checkColumns(ask, outstanding, COLUMNS.outstanding);
  await checkColumns(ask, blacklisted, COLUMNS.blacklisted);
  if (!migrated) throw notMigrated(own, 'migrate');
  const users = await usersToCheck(ask, outstanding, options);
  const [settings] = await ask<{ encoding: string; audits: boolean; may_keep: boolean }>(
    `SELECT current_setting('server_encoding') AS encoding, ${auditsSql('$3')} AS audits,
            (SELECT has_column_privilege(c.oid, 'expires_at', 'UPDATE')
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = $1 AND c.relname = $2) AS may_keep`,
    [outstanding.schema, outstanding.name, own],
  );
  return {
    outstanding: outstanding.qualified,
    blacklisted: blacklisted.qualified,
    relations: { outstanding, blacklisted },
    userIdType,
    users,
    userKeyType: userKeyTypeOf(users?.keyType ?? userIdType),
    mayKeep: settings?.may_keep ?? false,
    slidingEnd: options.slidingEnd,
    encoding: settings?.encoding ?? 'UTF8',
    audits: settings?.audits ?? false,
    own,
    homeUnwritten,
  };
}

/**
 * The same of a site whose operator says that it has no token tables: they may be in no schema, whether the search path
 * leads there or not, for a wrong search path or a missing right makes them look absent (rule 21).
 *
 * @throws SchemaError TABLES_THERE, CARELINK_SCHEMA_MISSING, USER_TABLE_MISSING
 */
export async function readSiteSchema(ask: Ask, options: UserOptions): Promise<SiteSchema> {
  const places = await readTokenTablePlaces(ask);
  const there = allTables(places);
  if (there.length > 0) throw tablesThere(there);
  // Nothing tells two of them apart.
  const own = DEFAULT_OWN;
  if (!places.owns.some(({ name, migrated }) => name === own && migrated))
    throw notMigrated(own, 'migrate --token-tables none');
  const users = await usersToCheck(ask, undefined, options);
  const [settings] = await ask<{ encoding: string; audits: boolean }>(
    `SELECT current_setting('server_encoding') AS encoding, ${auditsSql('$1')} AS audits`,
    [own],
  );
  return {
    users,
    userKeyType: userKeyTypeOf(users?.keyType ?? 'text'),
    encoding: settings?.encoding ?? 'UTF8',
    audits: settings?.audits ?? false,
    own,
  };
}

/** Whether our schema has the table of the migration `audit`. */
function auditsSql(own: string): string {
  return `EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = ${own} AND c.relname = 'audit' AND c.relkind = 'r')`;
}

function notMigrated(own: string, command: string): SchemaError {
  return new SchemaError(
    'CARELINK_SCHEMA_MISSING',
    `The schema ${own} is not there yet. Run \`carelink-tokens ${command}\` on this database first.`,
  );
}

/**
 * The type of `user_id`, where the table has it.
 *
 * @throws SchemaError COLUMNS_MISSING
 */
async function checkColumns(
  ask: Ask,
  { schema, name, qualified }: Relation,
  wanted: readonly string[],
): Promise<string> {
  const rows = await ask<{ name: string; type: string }>(
    `SELECT a.attname::text AS name, format_type(a.atttypid, -1) AS type
       FROM pg_attribute a
       JOIN pg_class c ON c.oid = a.attrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped`,
    [schema, name],
  );
  const missing = wanted.filter((column) => !rows.some((row) => row.name === column));
  if (missing.length > 0) {
    throw new SchemaError(
      'COLUMNS_MISSING',
      `${qualified} has no column ${missing.join(', ')}: this is not simplejwt's table, or not as its newest migration ` +
        'leaves it. Run `manage.py migrate token_blacklist`.',
    );
  }
  return rows.find((row) => row.name === 'user_id')?.type ?? '';
}
