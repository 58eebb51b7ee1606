import { SchemaError } from '../store/errors.js';
import { hiddenInWords, hiddenTables, missingRights, rightsInWords } from '../store/rights.js';
import { readTokenTablePlaces, tokenTablesOf } from '../store/token-tables.js';
import { CleanupError } from './errors.js';
import type { Tables } from './batch-sql.js';
import type { Query } from './session.js';
import type { Owned } from '../store/own-schema.js';

export interface Facts extends Tables, Owned {
  /** PGlite: one session, no neighbours and no statistics of them. */
  readonly embedded: boolean;
  /** Foreign keys of other tables that say themselves what becomes of their rows: `sessions (sessions_token_fk), CASCADE`. */
  readonly following: readonly string[];
  /** The site has triggers or rules of its own on the blacklist. */
  readonly audited: boolean;
  /** It isn't written down which Django schema ours belongs to. */
  readonly homeUnwritten: boolean;
}

/**
 * Reads the catalog, and refuses a database on which a cleanup could do harm.
 *
 * @param deletes false: rows are only looked at
 * @throws CleanupError NOT_MIGRATED | REFERENCED | REFUSED, SchemaError where the tables or rights are missing, belong to
 * another Django, or have rows that this role doesn't see
 */
export async function readFacts(query: Query, deletes = true): Promise<Facts> {
  const places = await readTokenTablePlaces(query);
  const relations = tokenTablesOf(places);
  const { outstanding, blacklisted, own } = relations;
  const [row] = await query<{
    plain: boolean;
    lease: boolean;
    indexed: boolean;
    embedded: boolean;
    standby: boolean;
    fenced: boolean;
    foreign: string[] | null;
    following: string[] | null;
    audited: boolean;
  }>(factsSql(own), [outstanding.schema, outstanding.name, blacklisted.name]);
  if (row === undefined) throw new Error('the catalog told nothing');
  if (!row.plain) {
    throw new CleanupError(
      'TABLES_MISSING',
      `${outstanding.name} or ${blacklisted.name} is no plain table (a view, or partitioned): it can't be cleaned up by this command.`,
    );
  }
  if (row.standby) {
    throw new CleanupError('REFUSED', 'This server is a standby, and takes no writes. Give the primary.');
  }
  if (deletes && row.fenced) {
    throw new CleanupError(
      'REFUSED',
      'This database takes no writes from this role: default_transaction_read_only is on. Somebody has fenced it off, as ' +
        'before a switch to another server. Give the one that takes writes, or lift the fence.',
    );
  }
  if (!row.lease || !row.indexed) {
    const what = row.lease ? `no index on ${outstanding.name}(expires_at)` : `no table ${own}.cleanup_lease`;
    throw new CleanupError(
      'NOT_MIGRATED',
      `There is ${what} yet. Run \`carelink-tokens migrate\` on this database first.`,
    );
  }
  if (row.foreign !== null) {
    throw new CleanupError(
      'REFERENCED',
      `Other tables refer to the token tables: ${row.foreign.join(', ')}. What is to become of their rows is not for ` +
        'this command to say: give these foreign keys ON DELETE CASCADE or SET NULL, drop them, or clean up with a program of your own. Nothing was changed.',
    );
  }
  const subject = { relations, users: undefined, own };
  const missing = deletes ? await missingRights(query, subject, ['cleanup']) : [];
  if (missing.length > 0) throw new SchemaError('GRANTS_MISSING', rightsInWords(missing, places.role));
  const hidden = await hiddenTables(query, subject);
  if (hidden.length > 0) throw new SchemaError('ROWS_HIDDEN', hiddenInWords(hidden, places.role));
  return {
    outstanding: outstanding.qualified,
    blacklisted: blacklisted.qualified,
    own,
    embedded: row.embedded,
    homeUnwritten: relations.homeUnwritten,
    following: row.following ?? [],
    audited: row.audited,
  };
}

const factsSql = (own: string): string => `
  WITH t AS (
    SELECT max(c.oid::int8) FILTER (WHERE c.relname = $2)::oid AS outstanding,
           max(c.oid::int8) FILTER (WHERE c.relname = $3)::oid AS blacklisted,
           bool_and(c.relkind = 'r') AS plain
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname IN ($2, $3)
  ), keys AS (
    SELECT k.conrelid::regclass::text || ' (' || k.conname || ')' AS name, k.confdeltype AS action
      FROM pg_constraint k, t
     WHERE k.contype = 'f' AND k.confrelid IN (outstanding, blacklisted)
       AND NOT (k.conrelid = blacklisted AND k.confrelid = outstanding
                AND k.conkey = ARRAY[(SELECT attnum FROM pg_attribute
                                       WHERE attrelid = blacklisted AND attname = 'token_id')])
  )
  SELECT t.plain,
         EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE n.nspname = '${own}' AND c.relname = 'cleanup_lease') AS lease,
         EXISTS (SELECT FROM pg_index i
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                   JOIN pg_class c ON c.oid = i.indexrelid
                   JOIN pg_am m ON m.oid = c.relam
                  WHERE i.indrelid = outstanding AND i.indisvalid AND i.indpred IS NULL
                    AND a.attname = 'expires_at' AND m.amname = 'btree') AS indexed,
         version() LIKE '%PGlite%' AS embedded,
         pg_is_in_recovery() AS standby,
         current_setting('default_transaction_read_only')::boolean AS fenced,
         EXISTS (SELECT FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
                  WHERE g.tgrelid = blacklisted AND NOT g.tgisinternal AND g.tgenabled <> 'D'
                    AND p.pronamespace IS DISTINCT FROM to_regnamespace('${own}'))
           OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = blacklisted) AS audited,
         (SELECT array_agg(DISTINCT k.name) FROM keys k WHERE k.action NOT IN ('c', 'n', 'd')) AS foreign,
         (SELECT array_agg(DISTINCT k.name || CASE k.action WHEN 'c' THEN ', CASCADE' ELSE ', SET NULL or DEFAULT' END)
            FROM keys k WHERE k.action IN ('c', 'n', 'd')) AS following
    FROM t`;
