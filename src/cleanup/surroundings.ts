import type { Tables } from './batch-sql.js';
import type { Reading } from './pressure.js';
import type { Query } from './session.js';

/** Reads what pressure.ts judges. A role that may not see other sessions sees less, and is not refused for it. */
export class Surroundings {
  readonly #query: Query;
  readonly #tables: Tables;
  readonly #monotonicMs: () => number;
  readonly #ignoredStandbys: readonly string[];
  #canaryBaselineMs = Infinity;

  /** @param ignoredStandbys by application_name: those that may be behind */
  constructor(
    query: Query,
    tables: Tables,
    monotonicMs: () => number,
    ignoredStandbys: readonly string[] = [],
  ) {
    this.#query = query;
    this.#tables = tables;
    this.#monotonicMs = monotonicMs;
    this.#ignoredStandbys = ignoredStandbys;
  }

  /** Before the first batch: how fast a look-up is without a cleanup. */
  async calibrate(): Promise<void> {
    this.#canaryBaselineMs = await this.#canary();
  }

  async read(): Promise<Reading> {
    const [row] = await this.#query<{
      lag: string | null;
      standby: string | null;
      waiting: number;
      snapshot_ms: string | null;
      dead: string | null;
      live: string | null;
      building: string | null;
    }>(SURROUNDINGS, [this.#tables.outstanding, this.#tables.blacklisted, this.#ignoredStandbys]);
    return {
      standby: row?.lag == null ? undefined : { name: row.standby ?? '', lagBytes: Number(row.lag) },
      waitingSessions: row?.waiting ?? 0,
      oldestSnapshotMs: Number(row?.snapshot_ms ?? 0),
      deadRows: Number(row?.dead ?? 0),
      liveRows: Number(row?.live ?? 0),
      indexBuild: row?.building ?? undefined,
      canaryMs: await this.#canary(),
      canaryBaselineMs: this.#canaryBaselineMs,
    };
  }

  /** The fastest of a few: the slow ones are the scheduler's. */
  async #canary(): Promise<number> {
    let fastest = Infinity;
    for (let n = 0; n < CANARY_LOOKUPS; n++) {
      const startedMs = this.#monotonicMs();
      await this.#query(`SELECT jti FROM ${this.#tables.outstanding} WHERE jti = 'canary'`);
      fastest = Math.min(fastest, this.#monotonicMs() - startedMs);
    }
    return fastest;
  }
}

const CANARY_LOOKUPS = 3;

const SURROUNDINGS = `
  WITH locks AS MATERIALIZED (
    SELECT pid, locktype, granted,
           database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND relation IN ($1::regclass, $2::regclass) AS ours
      FROM pg_locks WHERE pid <> pg_backend_pid() AND locktype IN ('relation', 'page', 'tuple', 'extend', 'transactionid')
  )
  SELECT furthest.lag, furthest.standby,
         -- For one of the tables; or for a transaction, by somebody who is at work on them. Whoever waits for an advisory
         -- lock, or for a row of another table, doesn't wait because of a cleanup.
         (SELECT count(DISTINCT w.pid) FROM locks w
           WHERE NOT w.granted
             AND (w.ours OR (w.locktype = 'transactionid'
                  AND EXISTS (SELECT FROM locks h WHERE h.pid = w.pid AND h.granted AND h.ours))))::int AS waiting,
         -- A VACUUM's own snapshot holds up nothing.
         (SELECT (extract(epoch FROM clock_timestamp() - min(xact_start)) * 1000)::bigint::text
            FROM pg_stat_activity a
           WHERE datname = current_database() AND backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
             AND backend_type = 'client backend'
             AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)) AS snapshot_ms,
         s.n_dead_tup::text AS dead, s.n_live_tup::text AS live,
         (SELECT relid::regclass::text FROM pg_stat_progress_create_index
           WHERE relid IN ($1::regclass, $2::regclass) LIMIT 1) AS building
    FROM (SELECT) AS one
    LEFT JOIN pg_stat_all_tables s ON s.relid = $1::regclass
    LEFT JOIN (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint::text AS lag, application_name AS standby
                 FROM pg_stat_replication
                WHERE state = 'streaming' AND application_name <> ALL ($3::text[])
                ORDER BY replay_lsn LIMIT 1) AS furthest ON true`;
