import { mayGoSql } from './expiry-sql.js';

/** Names of the tables, qualified and quoted. */
export interface Tables {
  readonly outstanding: string;
  readonly blacklisted: string;
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
 * - synchronous_commit off: a batch that a crash loses is found again by the next run.
 * - enable_seqscan off: a plan for a batch must not depend on when the tables were last analysed.
 */
export const BEGIN_BATCH = `
  BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
  SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS};
  SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS};
  SET LOCAL idle_in_transaction_session_timeout = ${STATEMENT_TIMEOUT_MS};
  SET LOCAL synchronous_commit = off;
  SET LOCAL enable_seqscan = off;
  SET LOCAL jit = off;
  SET LOCAL max_parallel_workers_per_gather = 0;
  SET LOCAL timezone = 'UTC';
  SET LOCAL datestyle = 'ISO'`;

export interface BatchRow {
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
 */
export function batchSql({ outstanding, blacklisted }: Tables): string {
  return `
  WITH batch AS MATERIALIZED (
    SELECT o.ctid AS place, o.expires_at, o.id
      FROM ONLY ${outstanding} AS o
     WHERE (o.expires_at, o.id) > ($1::timestamptz, $2::bigint) AND o.expires_at <= $3::timestamptz
     ORDER BY o.expires_at, o.id
     LIMIT $5::int
  ), gone AS (
    DELETE FROM ONLY ${outstanding} AS o
     WHERE o.ctid = ANY (ARRAY(SELECT place FROM batch))
       AND ${mayGoSql('o', '$3::timestamptz', '$4::bigint')}
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
         CASE WHEN c.seen > c.gone THEN
           (SELECT array_agg(id::text)
              FROM (SELECT id FROM batch WHERE id NOT IN (SELECT id FROM gone) LIMIT 5) AS few) END AS kept
    FROM counted AS c`;
}

export interface NeighboursRow {
  /** Sessions that wait for this transaction to end. */
  readonly waiters: number;
  /** Whether another transaction has written to the blacklist and is open. */
  readonly writers: boolean;
  /** Whether one has read outstanding rows a moment ago, and may blacklist one next. */
  readonly readers: boolean;
}

/**
 * Who would be hurt by this commit. Foreign keys are checked first: that takes longer than all else, and then the
 * moment between this look and the commit is short.
 *
 * https://www.postgresql.org/docs/current/view-pg-locks.html
 */
export function neighboursSql(tables: Tables): string {
  const { blacklisted } = tables;
  return `
  SET CONSTRAINTS ALL IMMEDIATE;
  SET CONSTRAINTS ALL DEFERRED;
  SELECT ${WAITERS} AS waiters,
         EXISTS (SELECT FROM pg_locks h
                  WHERE h.locktype = 'relation' AND h.relation = '${blacklisted.replaceAll("'", "''")}'::regclass
                    AND h.mode = 'RowExclusiveLock' AND h.granted AND h.pid <> pg_backend_pid()
                    AND h.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS writers,
         ${readersOf(tables)} AS readers`;
}

export function readersSql(tables: Tables): string {
  return `SELECT ${WAITERS} AS waiters, ${readersOf(tables)} AS readers`;
}

/** A request of Django's is over by then; what is older is a report or a backup, and blacklists nothing. */
const READERS_MS = 5_000;

/**
 * A transaction of several statements keeps its locks until its end: it has looked at a token, and may go on to insert
 * its blacklist row when the token is gone. A single statement (a claim of ours) does not: its transaction began with
 * it. Parse and bind of one statement may lie up to a millisecond apart.
 */
function readersOf({ outstanding }: Tables): string {
  return `EXISTS (SELECT FROM pg_locks h JOIN pg_stat_activity a ON a.pid = h.pid
                   WHERE h.locktype = 'relation' AND h.relation = '${outstanding.replaceAll("'", "''")}'::regclass
                     AND h.granted AND h.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
                     AND (a.state <> 'active' OR a.query_start - a.xact_start > interval '2 ms')
                     AND a.xact_start > clock_timestamp() - ${READERS_MS} * interval '1 millisecond')`;
}

/** A foreign key's check waits for the transaction that deleted its row; so does an insert of the same unique key. */
const WAITERS = `
  (SELECT count(*) FROM pg_locks w
    WHERE NOT w.granted AND w.locktype = 'transactionid' AND w.transactionid = pg_current_xact_id()::xid)::int`;

/**
 * Whether one of the open transactions is about to blacklist a row of this batch. Its row isn't visible, and the
 * foreign key doesn't see it either; but the unique key does: the same key can't be inserted until it has ended, and
 * that wait is over after lock_timeout (55P03). What was inserted here goes again at once, before anybody sees it.
 */
export function probeSql({ blacklisted }: Tables): string {
  return `
  INSERT INTO ${blacklisted} (id, blacklisted_at, token_id)
  SELECT -id, now(), id FROM unnest($1::bigint[]) AS id
  ON CONFLICT (token_id) DO NOTHING`;
}

export function unprobeSql({ blacklisted }: Tables): string {
  return `
  WITH probes AS (DELETE FROM ONLY ${blacklisted} WHERE token_id = ANY ($1::bigint[]))
  SELECT ${WAITERS} AS waiters`;
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
