import { CleanupError } from './errors.js';
import type { Tables } from './batch-sql.js';
import type { Query } from './session.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

export interface Facts extends Tables {
  /** PGlite: one session, no neighbours and no statistics of them. */
  readonly embedded: boolean;
}

/**
 * Reads the catalog, and refuses a database on which a cleanup could do harm.
 *
 * @throws CleanupError TABLES_MISSING | NOT_MIGRATED | REFERENCED | REFUSED
 */
export async function readFacts(query: Query): Promise<Facts> {
  const [row] = await query<{
    outstanding: string | null;
    blacklisted: string | null;
    plain: boolean;
    lease: boolean;
    indexed: boolean;
    embedded: boolean;
    standby: boolean;
    foreign: string[] | null;
  }>(FACTS, [OUTSTANDING, BLACKLISTED]);
  if (row?.outstanding == null || row.blacklisted == null) {
    throw new CleanupError(
      'TABLES_MISSING',
      `The database has no table ${row?.outstanding == null ? OUTSTANDING : BLACKLISTED}. Is --database-url right? ` +
        "Django's `manage.py migrate token_blacklist` makes it.",
    );
  }
  if (!row.plain) {
    throw new CleanupError(
      'TABLES_MISSING',
      `${OUTSTANDING} or ${BLACKLISTED} is no plain table (a view, or partitioned): it can't be cleaned up by this command.`,
    );
  }
  if (row.standby) {
    throw new CleanupError('REFUSED', 'This server is a standby, and takes no writes. Give the primary.');
  }
  if (!row.lease || !row.indexed) {
    const what = row.lease ? `no index on ${OUTSTANDING}(expires_at)` : 'no table carelink.cleanup_lease';
    throw new CleanupError(
      'NOT_MIGRATED',
      `There is ${what} yet. Run \`carelink-tokens migrate\` on this database first.`,
    );
  }
  if (row.foreign !== null) {
    throw new CleanupError(
      'REFERENCED',
      `Other tables refer to the token tables: ${row.foreign.join(', ')}. What is to become of their rows is not for ` +
        'this command to say: drop these foreign keys, or clean up with a program of your own. Nothing was changed.',
    );
  }
  return { outstanding: row.outstanding, blacklisted: row.blacklisted, embedded: row.embedded };
}

const FACTS = `
  WITH t AS (
    SELECT to_regclass(quote_ident($1)) AS outstanding, to_regclass(quote_ident($2)) AS blacklisted
  )
  SELECT outstanding::text, blacklisted::text,
         (SELECT count(*) FROM pg_class WHERE oid IN (outstanding, blacklisted) AND relkind = 'r') = 2 AS plain,
         to_regclass('carelink.cleanup_lease') IS NOT NULL AS lease,
         EXISTS (SELECT FROM pg_index i
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                   JOIN pg_class c ON c.oid = i.indexrelid
                   JOIN pg_am m ON m.oid = c.relam
                  WHERE i.indrelid = outstanding AND i.indisvalid AND i.indpred IS NULL
                    AND a.attname = 'expires_at' AND m.amname = 'btree') AS indexed,
         version() LIKE '%PGlite%' AS embedded,
         pg_is_in_recovery() AS standby,
         (SELECT array_agg(DISTINCT k.conrelid::regclass::text || ' (' || k.conname || ')')
            FROM pg_constraint k
           WHERE k.contype = 'f' AND k.confrelid IN (outstanding, blacklisted)
             AND NOT (k.conrelid = blacklisted AND k.confrelid = outstanding
                      AND k.conkey = ARRAY[(SELECT attnum FROM pg_attribute
                                             WHERE attrelid = blacklisted AND attname = 'token_id')])) AS foreign
    FROM t`;
