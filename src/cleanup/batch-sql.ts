import { mayGoSql } from './expiry-sql.js';
import { WORKED_MS, type Worked } from './session.js';

/** Names of the tables, qualified and quoted. */
export interface Tables {
  readonly outstanding: string;
  readonly blacklisted: string;
  /** What the site calls the end of a sliding token's refreshing; undefined: `refresh_exp`. */
  readonly slidingEnd?: string | undefined;
}

/** Where a scan stands: the last row that was looked at. Times are PostgreSQL's own text, to the microsecond. */
export interface Cursor {
  readonly expiresAt: string;
  readonly id: string;
}

export const START: Cursor = { expiresAt: '-infinity', id: '-9223372036854775808' };

/** From the database's clock, once a run. */
export interface Cutoff {
  readonly at: string;
  /** Whole seconds since 1970, rounded down: what a claim is compared with. */
  readonly seconds: string;
}

/** Others wait for a batch no longer than that: less than a person notices, and than the default deadlock_timeout. */
const LOCK_TIMEOUT_MS = 50;

/** A batch that takes that long isn't steered any more: given up, and tried again with fewer rows. */
const STATEMENT_TIMEOUT_MS = 5_000;

/**
 * Begins the transaction of a batch. All is SET LOCAL: behind a pooler the session is somebody else's afterwards.
 * - row_security off: an error, where rows would be hidden and taken for gone.
 * - enable_seqscan off: a plan for a batch must not depend on when the tables were last analysed.
 */
export const beginBatch = (...settings: readonly string[]): string => `
  BEGIN ISOLATION LEVEL READ COMMITTED;
  SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS};
  SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS};
  SET LOCAL idle_in_transaction_session_timeout = ${STATEMENT_TIMEOUT_MS};
  SET LOCAL row_security = off;
  SET LOCAL enable_seqscan = off;
  SET LOCAL jit = off;
  SET LOCAL timezone = 'UTC';
  SET LOCAL datestyle = 'ISO'${settings.map((setting) => `;\n  SET LOCAL ${setting}`).join('')}`;

/** Of the cleanup. synchronous_commit off: a batch that a crash loses is found again by the next run. */
export const BEGIN_BATCH = beginBatch('synchronous_commit = off', 'max_parallel_workers_per_gather = 0');

export interface BatchRow extends Worked {
  /** Looked at. */
  readonly seen: number;
  readonly gone: number;
  /** Blacklist rows that went with them. */
  readonly freed: number;
  /** Of those that went, the ones after the cutoff: never any. */
  readonly younger: number;
  readonly last_expires_at: string | null;
  readonly last_id: string | null;
  /** Those that went and had no blacklist row: somebody may be writing one at this moment. */
  readonly unlisted: string[] | null;
  /** Others hold on to these: not waited for. */
  readonly held: string[] | null;
  /** Some of those that stay. */
  readonly kept: string[] | null;
}

/**
 * One batch, in one statement. Parameters: cursor (time, id), cutoff (time, seconds), number of rows.
 *
 * - The outstanding rows go first and say which did; only their blacklist rows follow. The other way round a row
 *   that stays at the last moment (somebody changed it meanwhile) would have lost its blacklist row: un-revoked.
 * - They are addressed by ctid, which saves finding each again in an index. The predicate stands a second time where
 *   they are deleted: a row that was changed since is judged by what it is now.
 *
 * @param skipHeld leave rows that somebody has locked. A lock of our own for each row first costs half as much again:
 *   for the batch after one that met a lock.
 */
export function batchSql({ outstanding, blacklisted, slidingEnd }: Tables, skipHeld = false): string {
  const free = skipHeld
    ? `
     SELECT o.ctid AS place, o.id FROM ONLY ${outstanding} AS o
      WHERE o.ctid = ANY (ARRAY(SELECT place FROM batch)) FOR UPDATE SKIP LOCKED`
    : 'SELECT place, id FROM batch';
  return `
  WITH batch AS MATERIALIZED (
    SELECT o.ctid AS place, o.expires_at, o.id
      FROM ONLY ${outstanding} AS o
     WHERE (o.expires_at, o.id) > ($1::timestamptz, $2::bigint) AND o.expires_at <= $3::timestamptz
     ORDER BY o.expires_at, o.id
     LIMIT $5::int
  ), free AS (${free}
  ), gone AS (
    DELETE FROM ONLY ${outstanding} AS o
     WHERE o.ctid = ANY (ARRAY(SELECT place FROM free))
       AND ${mayGoSql('o', '$3::timestamptz', '$4::bigint', slidingEnd)}
    RETURNING o.id, o.expires_at
  ), freed AS (
    DELETE FROM ONLY ${blacklisted} AS b
     WHERE b.token_id = ANY (ARRAY(SELECT id FROM gone))
    RETURNING b.token_id
  ), last AS (
    SELECT expires_at, id FROM batch ORDER BY expires_at DESC, id DESC LIMIT 1
  ), counted AS (
    SELECT (SELECT count(*) FROM batch)::int AS seen,
           (SELECT count(*) FROM gone)::int AS gone,
           (SELECT count(*) FROM freed)::int AS freed,
           (SELECT count(*) FROM gone WHERE NOT (expires_at <= $3::timestamptz))::int AS younger
  )
  SELECT c.*,
         (SELECT expires_at::text FROM last) AS last_expires_at,
         (SELECT id::text FROM last) AS last_id,
         CASE WHEN c.gone > c.freed THEN
           (SELECT array_agg(id::text) FROM gone WHERE id NOT IN (SELECT token_id FROM freed)) END AS unlisted,
         ${skipHeld ? '(SELECT array_agg(id::text) FROM batch WHERE id NOT IN (SELECT id FROM free))' : 'NULL'} AS held,
         CASE WHEN c.seen > c.gone THEN
           (SELECT array_agg(id::text)
              FROM (SELECT id FROM free WHERE id NOT IN (SELECT id FROM gone) LIMIT 5) AS few) END AS kept,
         ${WORKED_MS}
    FROM counted AS c`;
}

/** The next row, for stepping over it. */
export function nextRowSql({ outstanding }: Tables): string {
  return `
  SELECT o.expires_at::text AS expires_at, o.id::text AS id
    FROM ONLY ${outstanding} AS o
   WHERE (o.expires_at, o.id) > ($1::timestamptz, $2::bigint) AND o.expires_at <= $3::timestamptz
   ORDER BY o.expires_at, o.id
   LIMIT 1`;
}
