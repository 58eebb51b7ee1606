import { askOf, type Database } from '../store/database.js';
import { SchemaError } from '../store/errors.js';
import { DEFAULT_OWN } from '../store/own-schema.js';
import type { DatabaseFacts, TableFacts } from './evidence.js';
import { attempt } from './reading.js';
import { ownSchemaOf, readTokenTablePlaces } from '../store/token-tables.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

/** Whether exactly this column has a valid, immediate or deferred, unique index over all rows. */
const unique = (table: string, column: string): string => `
  EXISTS (SELECT FROM pg_index i
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
           WHERE i.indrelid = to_regclass('${table}') AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
             AND i.indnkeyatts = 1 AND a.attname = '${column}')`;

const WANTED_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  [OUTSTANDING]: ['id', 'token', 'created_at', 'expires_at', 'user_id', 'jti'],
  [BLACKLISTED]: ['id', 'blacklisted_at', 'token_id'],
};

const SERVER = `
  SELECT current_setting('server_version') AS version, current_user::text AS role, pg_is_in_recovery() AS standby,
         current_setting('transaction_read_only') = 'on' AS read_only,
         current_setting('max_connections')::int AS max_connections,
         (SELECT count(*) FROM pg_stat_activity
           WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())::int AS other_connections,
         ${unique(OUTSTANDING, 'jti')} AS unique_jti,
         ${unique(BLACKLISTED, 'token_id')} AS unique_token_id,
         to_regclass('django_migrations') IS NOT NULL AS django,
         (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms`;

/** Everybody may read the catalog, whatever else the role lacks. Whose rows are hidden is told only of what it may see. */
const TABLES = `
  SELECT c.relname::text AS name, n.nspname::text AS schema, pg_table_is_visible(c.oid) AS visible,
         has_schema_privilege(n.oid, 'USAGE') AS reachable,
         has_table_privilege(c.oid, 'SELECT') AS readable,
         c.relrowsecurity AND row_security_active(c.oid) AS hidden_rows,
         (SELECT array_agg(a.attname::text) FROM pg_attribute a
           WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relname IN ('${OUTSTANDING}', '${BLACKLISTED}') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
     AND n.nspname !~ '^pg_(temp|toast)'
   ORDER BY 1, 3 DESC, 2`;

/** Each right that a refresh needs of the role, and whether it has it; a thing that isn't there has no row. */
const rightsSql = (own: string): string => `
  WITH needed (privilege, object) AS (
    VALUES ('SELECT', '${OUTSTANDING}'), ('INSERT', '${OUTSTANDING}'),
           ('SELECT', '${BLACKLISTED}'), ('INSERT', '${BLACKLISTED}'),
           ('SELECT', 'revoked_before'), ('INSERT', 'revoked_before'), ('UPDATE', 'revoked_before')
  )
  SELECT needed.privilege || ' on ' || CASE WHEN n.nspname = '${own}' THEN '${own}.' ELSE '' END || needed.object AS missing
    FROM needed
    JOIN pg_class c ON c.relname = needed.object
    JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE CASE WHEN needed.object = 'revoked_before' THEN n.nspname = '${own}' ELSE pg_table_is_visible(c.oid) END
     AND NOT has_table_privilege(c.oid, needed.privilege)
  UNION ALL
  SELECT 'USAGE on schema ${own}' FROM pg_namespace
   WHERE nspname = '${own}' AND NOT has_schema_privilege(oid, 'USAGE')
  UNION ALL
  -- A sequence that is a default wants a grant of its own; that of an IDENTITY doesn't.
  SELECT 'USAGE on sequence ' || s.relname
    FROM pg_depend d
    JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_class c ON c.oid = d.refobjid
   WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a'
     AND c.relname IN ('${OUTSTANDING}', '${BLACKLISTED}') AND pg_table_is_visible(c.oid)
     -- Asked of anything else it is an error, and PostgreSQL chooses what it looks at first.
     AND CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') END`;

/**
 * Reads the catalog. Nothing in it depends on the tables being there, or on any right of the role's.
 *
 * @throws what the database fails with: it can't be worked with at all
 */
export async function readDatabaseFacts(
  database: Database,
): Promise<{ facts: DatabaseFacts; nowMs: number }> {
  const ask = <Row>(text: string): Promise<Row[]> => database.query<Row>('health', { text });
  const [row] = await ask<Server>(SERVER);
  if (row === undefined) throw new Error('the catalog told nothing');
  const { now_ms, ...server } = row;
  const own = await readOwn(database);
  const tables = await ask<TableFacts & { readonly columns: readonly string[] | null }>(TABLES);
  const rights = await ask<{ missing: string }>(rightsSql(own));
  const found = (name: string): boolean => tables.some((table) => table.name === name && table.visible);
  const facts: DatabaseFacts = {
    ...server,
    own,
    tables,
    outstanding: found(OUTSTANDING),
    blacklisted: found(BLACKLISTED),
    missing_columns: tables
      .filter(({ visible }) => visible)
      .flatMap(({ name, columns }) =>
        (WANTED_COLUMNS[name] ?? [])
          .filter((column) => columns?.includes(column) !== true)
          .map((column) => `${column} of ${name}`),
      ),
    missing_rights: rights.map(({ missing }) => missing),
    django_migrations: server.django
      ? await attempt(async () => (await ask<{ name: string }>(APPLIED)).map(({ name }) => name))
      : { value: [] },
  };
  return { facts, nowMs: Number(now_ms) };
}

/** Where it can't be told, another check tells so. */
async function readOwn(database: Database): Promise<string> {
  try {
    return ownSchemaOf(await readTokenTablePlaces(askOf(database))).own;
  } catch (error) {
    if (error instanceof SchemaError) return DEFAULT_OWN;
    throw error;
  }
}

type Server = Pick<
  DatabaseFacts,
  | 'version'
  | 'role'
  | 'standby'
  | 'read_only'
  | 'max_connections'
  | 'other_connections'
  | 'unique_jti'
  | 'unique_token_id'
  | 'django'
> & { readonly now_ms: string };

const APPLIED = `SELECT name::text FROM django_migrations WHERE app = 'token_blacklist' ORDER BY id`;
