import { beginBatch } from '../cleanup/batch-sql.js';
import { WORKED_MS, type Worked } from '../cleanup/session.js';
import { auditMark, auditTokens, type Audited } from '../store/audit-sql.js';
import { keepSql } from '../store/claim-sql.js';
import type { TokenSchema } from '../store/schema.js';
import { issuedAtSql, mayLiveUntilSql, storedStartSql } from '../store/stored-jwt-sql.js';
import { EVERYBODY } from '../store/who-sql.js';
import { triggerName, type Owned } from '../store/own-schema.js';

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

export interface BatchRow extends Worked {
  /** Looked at. */
  readonly seen: number;
  /** Blacklisted by this statement. */
  readonly won: number;
  readonly last_expires_at: string | null;
  readonly last_id: string | null;
}

/**
 * As in a claim, a token without a time is as old as can be, and one whose session began before is as old as that.
 *
 * @param zoned rows are dated by another zone than UTC: then each is asked for its JWT's time
 */
const older = (moment: string, zoned: boolean): string =>
  `(o.created_at IS NULL OR ${zoned ? issuedAtSql('o') : 'o.created_at'} < ${moment}::timestamptz
    OR ${storedStartSql('o')} < ${moment}::timestamptz)`;

/** Until when a token may live, of those that live $n seconds longer than their rows say. */
const until = (schema: TokenSchema, extra: string): string =>
  mayLiveUntilSql('o', `${extra}::bigint * interval '1 second'`, schema.slidingEnd);

/** A clause of a WHERE, and nowhere else: there it is an anti-join, elsewhere a plan that hashes the whole blacklist. */
const open = (schema: TokenSchema, row: string): string =>
  `NOT EXISTS (SELECT FROM ${schema.blacklisted} x WHERE x.token_id = ${row}.id)`;

/** The row ids are locked in order, as claims lock them. */
const blacklisting = (schema: TokenSchema, deed: string | undefined): string => `
  won AS (
    INSERT INTO ${schema.blacklisted} (blacklisted_at, token_id)
    SELECT clock_timestamp(), id FROM live ORDER BY id
    ON CONFLICT (token_id) DO NOTHING
    RETURNING token_id
  )${keepSql(schema, 'live')}${deed === undefined ? '' : auditTokens(schema, deed, 'won')}
  SELECT (SELECT count(*) FROM batch)::int AS seen, (SELECT count(*) FROM won)::int AS won,
         (SELECT expires_at::text FROM batch ORDER BY expires_at DESC, id DESC LIMIT 1) AS last_expires_at,
         (SELECT id::text FROM batch ORDER BY expires_at DESC, id DESC LIMIT 1) AS last_id,
         ${WORKED_MS}`;

const LIVE = 'b.id, b.until AS expires_at, b.expires_at < b.until AS outlived';

/**
 * Rows in the order of idx_outstanding_token_expires, from the first on whose token may be alive. $1, $2 cursor; $3 rows;
 * $4 the moment; $5 how much longer than their rows say tokens may live (s); the last one, where it is recorded, the deed.
 */
export function issuedBeforeSql(schema: TokenSchema, zoned: boolean): string {
  const deed = schema.audits === true ? '$6' : undefined;
  return `
  WITH batch AS MATERIALIZED (
    SELECT o.expires_at, o.id, ${older('$4', zoned)} AS older, ${until(schema, '$5')} AS until
      FROM ${schema.outstanding} o
     WHERE (o.expires_at, o.id) > ($1::timestamptz, $2::bigint)
     ORDER BY o.expires_at, o.id
     LIMIT $3::int
  ),
  live AS (SELECT ${LIVE} FROM batch b WHERE b.older AND b.until > now() AND ${open(schema, 'b')}),
  ${blacklisting(schema, deed)}`;
}

/** Rows that came to be since: $1 row id, $2 the moment, $3 as above. Few: those of claims that were under way. */
export function lateSql(schema: TokenSchema, zoned: boolean): string {
  const deed = schema.audits === true ? '$4' : undefined;
  return `
  WITH batch AS MATERIALIZED (
    SELECT o.expires_at, o.id, ${until(schema, '$3')} AS until
      FROM ${schema.outstanding} o
     WHERE o.id > $1::bigint AND ${older('$2', zoned)}
       AND ${open(schema, 'o')}
  ),
  live AS (SELECT ${LIVE} FROM batch b WHERE b.until > now()),
  ${blacklisting(schema, deed)}`;
}

/** $1 the moment, $2 the row's date from which on its token may be alive, $3 as above. */
export function countIssuedBeforeSql(schema: TokenSchema, zoned: boolean): string {
  return `
  SELECT count(*)::int AS live FROM ${schema.outstanding} o
   WHERE o.expires_at > $2::timestamptz AND ${until(schema, '$3')} > now() AND ${older('$1', zoned)} AND ${open(schema, 'o')}`;
}

/** The date of the first row whose token may be alive: rows say that it has been expired for $1 seconds. */
export const FIRST_LIVE_SQL = `SELECT (clock_timestamp() - $1::bigint * interval '1 second')::text AS at`;

/**
 * From its commit on no claim of an older token succeeds, whether the token has a row or not. Never back.
 * $1 the moment; null: so many ms ($2) after now, by the database's clock; where it is recorded $3 the deed.
 */
export function markEverybodySql(owned: Audited): string {
  const { own, audits = false } = owned;
  const mark = `
  INSERT INTO ${own}.revoked_before AS r (user_key, at)
  VALUES ('${EVERYBODY}', coalesce($1::timestamptz, clock_timestamp() + $2::int * interval '1 millisecond'))
  ON CONFLICT (user_key) DO UPDATE SET at = greatest(r.at, excluded.at)
  RETURNING (coalesce($1::timestamptz, r.at) AT TIME ZONE 'UTC')::text || '+00' AS at`;
  if (!audits) return mark;
  return `
  WITH marked AS (${mark}),
  meant AS (SELECT at::timestamptz FROM marked)${auditMark(owned, '$3', 'meant')}
  SELECT at FROM marked`;
}

/** Whether servers may take claims in Redis: those hear of a mark, by the triggers of `migrate --notify`. */
export function heardSql({ own }: Owned): string {
  return `
  SELECT EXISTS (SELECT FROM pg_trigger
                  WHERE tgrelid = to_regclass('${own}.revoked_before') AND tgname = '${triggerName(own, 'revoked')}') AS heard`;
}

/** How long (ms) until the moment has come. $1 the moment. */
export const UNTIL_SQL = `
  SELECT ceil(greatest(extract(epoch FROM $1::timestamptz - clock_timestamp()), 0) * 1000)::int AS ms`;

/** The moment as PostgreSQL reads it, and whether it is to come. $1 text; null: now. */
export const MOMENT_SQL = `
  SELECT (m.at AT TIME ZONE 'UTC')::text || '+00' AS at, m.at > clock_timestamp() AS ahead
    FROM (SELECT coalesce($1::timestamptz, clock_timestamp()) AS at) AS m`;

/** Whether a transaction that began before the moment is still at work on this database. $1 the moment. */
export const OLDER_TRANSACTIONS_SQL = `
  SELECT EXISTS (SELECT FROM pg_stat_activity a
                  WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
                    AND a.backend_type = 'client backend' AND a.state = 'active' AND a.xact_start < $1::timestamptz) AS found`;
