import type { Database } from '../store/database.js';
import type { DatabaseFacts, TokenSample } from './evidence.js';

const OUTSTANDING = 'token_blacklist_outstandingtoken';
const BLACKLISTED = 'token_blacklist_blacklistedtoken';

/** Whether exactly this column has a valid, immediate or deferred, unique index over all rows. */
const unique = (table: string, column: string): string => `
  EXISTS (SELECT FROM pg_index i
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
           WHERE i.indrelid = to_regclass('${table}') AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
             AND i.indnkeyatts = 1 AND a.attname = '${column}')`;

/** Reads the catalog. Nothing in it depends on the tables being there. */
export async function readDatabaseFacts(
  database: Database,
): Promise<{ facts: DatabaseFacts; nowMs: number }> {
  const [row] = await database.query<
    Omit<DatabaseFacts, 'django_migrations' | 'long_expired'> & { now_ms: string }
  >('health', {
    text: `
      SELECT current_setting('server_version') AS version, current_user AS role, pg_is_in_recovery() AS standby,
             current_setting('transaction_read_only') = 'on' AS read_only,
             current_setting('max_connections')::int AS max_connections,
             (SELECT count(*) FROM pg_stat_activity
               WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())::int AS other_connections,
             to_regclass('${OUTSTANDING}') IS NOT NULL AS outstanding,
             to_regclass('${BLACKLISTED}') IS NOT NULL AS blacklisted,
             ${unique(OUTSTANDING, 'jti')} AS unique_jti,
             ${unique(BLACKLISTED, 'token_id')} AS unique_token_id,
             to_regclass('django_migrations') IS NOT NULL AS django,
             (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms`,
  });
  if (row === undefined) throw new Error('the catalog told nothing');
  const { now_ms, ...facts } = row;
  const migrations = facts.django
    ? await database.query<{ name: string }>('health', {
        text: `SELECT name::text FROM django_migrations WHERE app = 'token_blacklist' ORDER BY id`,
      })
    : [];
  const [old] = facts.outstanding
    ? await database.query<{ found: boolean }>('health', {
        text: `SELECT EXISTS (SELECT FROM ${OUTSTANDING} WHERE expires_at < now() - interval '30 days') AS found`,
      })
    : [];
  return {
    facts: {
      ...facts,
      django_migrations: migrations.map(({ name }) => name),
      long_expired: old?.found ?? false,
    },
    nowMs: Number(now_ms),
  };
}

/** Judges a token; what it returns holds nothing of it but its form. */
export type SampleReader = (token: string) => Promise<TokenSample | undefined>;

/** More than one, since a fleet may be half updated; few, since each costs a signature. */
const SAMPLES = 8;

/** The newest tokens of the database. */
export async function readTokenSamples(database: Database, read: SampleReader): Promise<TokenSample[]> {
  const rows = await database.query<{ token: string }>('health', {
    text: `SELECT token FROM ${OUTSTANDING} ORDER BY id DESC LIMIT ${SAMPLES}`,
  });
  const samples = await Promise.all(rows.map(({ token }) => read(token)));
  return samples.filter((sample) => sample !== undefined);
}
