import { beginBatch } from '../cleanup/batch-sql.js';
import { EVERYBODY } from '../store/claim-sql.js';
import type { TokenSchema } from '../store/schema.js';

/**
 * Begins a batch as the cleanup does, but `synchronous_commit` stays on: a revocation that a crash takes back lets
 * somebody in. The rows of a batch are looked up in the blacklist one by one: hashing or merging would read all of it
 * for each batch.
 */
export const BEGIN_REVOKE = beginBatch('enable_hashjoin = off', 'enable_mergejoin = off');

/** A count reads the table whole: the planner may choose how. */
export const BEGIN_COUNT = `
  BEGIN READ ONLY;
  SET LOCAL statement_timeout = '5min';
  SET LOCAL enable_seqscan = on`;

export interface BatchRow {
  /** Looked at. */
  readonly seen: number;
  /** Blacklisted by this statement. */
  readonly won: number;
  readonly last_expires_at: string | null;
  readonly last_id: string | null;
}

/** As in a claim, a token without a time is as old as can be. */
const older = (moment: string): string => `(o.created_at IS NULL OR o.created_at < ${moment}::timestamptz)`;

/** A clause of a WHERE, and nowhere else: there it is an anti-join, elsewhere a plan that hashes the whole blacklist. */
const open = (schema: TokenSchema, row: string): string =>
  `NOT EXISTS (SELECT FROM ${schema.blacklisted} b WHERE b.token_id = ${row}.id)`;

/** The row ids are locked in order, as claims lock them. */
const blacklisting = (schema: TokenSchema): string => `
  won AS (
    INSERT INTO ${schema.blacklisted} (blacklisted_at, token_id)
    SELECT clock_timestamp(), id FROM live ORDER BY id
    ON CONFLICT (token_id) DO NOTHING
    RETURNING token_id
  )
  SELECT (SELECT count(*) FROM batch)::int AS seen, (SELECT count(*) FROM won)::int AS won,
         (SELECT expires_at::text FROM batch ORDER BY expires_at DESC, id DESC LIMIT 1) AS last_expires_at,
         (SELECT id::text FROM batch ORDER BY expires_at DESC, id DESC LIMIT 1) AS last_id`;

/** Unexpired rows in the order of idx_outstanding_token_expires. $1, $2 cursor; $3 rows; $4 the moment. */
export function issuedBeforeSql(schema: TokenSchema): string {
  return `
  WITH batch AS MATERIALIZED (
    SELECT o.expires_at, o.id, ${older('$4')} AS older
      FROM ${schema.outstanding} o
     WHERE (o.expires_at, o.id) > ($1::timestamptz, $2::bigint)
     ORDER BY o.expires_at, o.id
     LIMIT $3::int
  ),
  live AS (SELECT o.id FROM batch o WHERE o.older AND ${open(schema, 'o')}),
  ${blacklisting(schema)}`;
}

/** Rows that came to be since: $1 row id, $2 the moment. Few: those of claims that were under way. */
export function lateSql(schema: TokenSchema): string {
  return `
  WITH batch AS MATERIALIZED (
    SELECT o.expires_at, o.id
      FROM ${schema.outstanding} o
     WHERE o.id > $1::bigint AND o.expires_at > now() AND ${older('$2')}
       AND ${open(schema, 'o')}
  ),
  live AS (SELECT id FROM batch),
  ${blacklisting(schema)}`;
}

/** $1 the moment. */
export function countIssuedBeforeSql(schema: TokenSchema): string {
  return `SELECT count(*)::int AS live FROM ${schema.outstanding} o WHERE o.expires_at > now() AND ${older('$1')} AND ${open(schema, 'o')}`;
}

/**
 * From its commit on no claim of an older token succeeds, whether the token has a row or not. Never back.
 * $1 the moment; null: so many ms ($2) after now, by the database's clock.
 */
export const MARK_EVERYBODY_SQL = `
  INSERT INTO carelink.revoked_before AS r (user_key, at)
  VALUES ('${EVERYBODY}', coalesce($1::timestamptz, clock_timestamp() + $2::int * interval '1 millisecond'))
  ON CONFLICT (user_key) DO UPDATE SET at = greatest(r.at, excluded.at)
  RETURNING (coalesce($1::timestamptz, r.at) AT TIME ZONE 'UTC')::text || '+00' AS at`;

/** Whether servers may take claims in Redis: those hear of a mark, by the triggers of `migrate --notify`. */
export const HEARD_SQL = `
  SELECT EXISTS (SELECT FROM pg_trigger
                  WHERE tgrelid = to_regclass('carelink.revoked_before') AND tgname = 'carelink_tell_revoked') AS heard`;

/** How long (ms) until the moment has come. $1 the moment. */
export const UNTIL_SQL = `
  SELECT ceil(extract(epoch FROM $1::timestamptz - clock_timestamp()) * 1000)::int AS ms`;

/** The moment as PostgreSQL reads it, and whether it is to come. $1 text; null: now. */
export const MOMENT_SQL = `
  SELECT (m.at AT TIME ZONE 'UTC')::text || '+00' AS at, m.at > clock_timestamp() AS ahead
    FROM (SELECT coalesce($1::timestamptz, clock_timestamp()) AS at) AS m`;

/** Whether a transaction that began before the moment is still at work on this database. $1 the moment. */
export const OLDER_TRANSACTIONS_SQL = `
  SELECT EXISTS (SELECT FROM pg_stat_activity a
                  WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
                    AND a.backend_type = 'client backend' AND a.state = 'active' AND a.xact_start < $1::timestamptz) AS found`;
