import type { Database } from '../store/database.js';
import type { DatabaseFacts } from './evidence.js';

export interface TableUpkeep {
  readonly name: string;
  readonly unlogged: boolean;
  /** autovacuum_enabled isn't off. */
  readonly vacuumed: boolean;
  /** INSTEAD of an INSERT or a DELETE. */
  readonly rules: readonly { readonly name: string; readonly event: 'INSERT' | 'DELETE' }[];
  /** Of the site. Those that run before a row can pass it over, and each can raise an error. */
  readonly triggers: readonly { readonly name: string; readonly calls: string; readonly passes: boolean }[];
}

export interface Upkeep {
  readonly tables: readonly TableUpkeep[];
  readonly foreignKey: 'valid' | 'not valid' | 'missing';
  /** Of the server. */
  readonly autovacuum: boolean;
  /** The oldest session and the oldest prepared transaction, as far as this role may see them. */
  readonly oldest: readonly { readonly who: string; readonly ageMs: number }[];
}

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

/** Bits of pg_trigger.tgtype: for each row 1, before 2, INSERT 4, DELETE 8, UPDATE 16; see PostgreSQL's catalog/pg_trigger.h. */
const tablesSql = (own: string): string => `
  SELECT c.relname::text AS name, c.relpersistence = 'u' AS unlogged,
         coalesce((SELECT split_part(o, '=', 2)::boolean FROM unnest(c.reloptions) AS o
                    WHERE split_part(o, '=', 1) = 'autovacuum_enabled'), true) AS vacuumed,
         (SELECT coalesce(jsonb_agg(jsonb_build_object('name', quote_ident(r.rulename),
                   'event', CASE r.ev_type WHEN '3' THEN 'INSERT' ELSE 'DELETE' END) ORDER BY r.rulename), '[]')
            FROM pg_rewrite r
           WHERE r.ev_class = c.oid AND r.is_instead AND r.ev_enabled IN ('O', 'A') AND r.ev_type IN ('3', '4')) AS rules,
         (SELECT coalesce(jsonb_agg(jsonb_build_object('name', quote_ident(t.tgname), 'calls', t.tgfoid::regprocedure,
                   'passes', t.tgtype & 3 = 3 AND t.tgtype & 12 <> 0) ORDER BY t.tgname), '[]')
            FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
           WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
             AND p.pronamespace IS DISTINCT FROM to_regnamespace('${own}')
             AND t.tgtype & 28 <> 0) AS triggers
    FROM pg_class c
   WHERE c.oid IN (to_regclass('${OUTSTANDING}'), to_regclass('${BLACKLISTED}'))
   ORDER BY 1 DESC`;

const SERVER = `
  SELECT current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean AS autovacuum,
         coalesce((SELECT CASE WHEN bool_or(k.convalidated) THEN 'valid' ELSE 'not valid' END
                     FROM pg_constraint k
                    WHERE k.contype = 'f' AND k.conrelid = to_regclass('${BLACKLISTED}')
                      AND k.confrelid = to_regclass('${OUTSTANDING}')
                   HAVING count(*) > 0), 'missing') AS foreign_key,
         (SELECT jsonb_build_object(
                   'who', format('Session %s (%s)', pid, concat_ws(', ', usename, nullif(application_name, ''), state)),
                   'ageMs', floor(extract(epoch FROM clock_timestamp() - xact_start) * 1000))
            FROM pg_stat_activity a
           WHERE datname = current_database() AND backend_type = 'client backend' AND xact_start IS NOT NULL
             -- A VACUUM of hours is on its way, and holds up nothing.
             AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
           ORDER BY xact_start LIMIT 1) AS session,
         (SELECT jsonb_build_object(
                   'who', format('The prepared transaction %s', quote_literal(gid)),
                   'ageMs', floor(extract(epoch FROM clock_timestamp() - prepared) * 1000))
            FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared LIMIT 1) AS prepared`;

/** @throws what the database fails with */
export async function readUpkeep(database: Database, { own }: Pick<DatabaseFacts, 'own'>): Promise<Upkeep> {
  const tables = await database.query<TableUpkeep>('health', { text: tablesSql(own) });
  const [row] = await database.query<{
    autovacuum: boolean;
    foreign_key: Upkeep['foreignKey'];
    session: Upkeep['oldest'][number] | null;
    prepared: Upkeep['oldest'][number] | null;
  }>('health', { text: SERVER });
  if (row === undefined) throw new Error('the catalog told nothing');
  return {
    tables,
    foreignKey: row.foreign_key,
    autovacuum: row.autovacuum,
    oldest: [row.session, row.prepared].flatMap((one) => one ?? []),
  };
}
