import type { Tables } from './batch-sql.js';
import type { Reading } from './pressure.js';
import type { Query } from './session.js';

/** Reads what pressure.ts judges. A role that may not see other sessions sees less, and is not refused for it. */
export class Surroundings {
  readonly #query: Query;
  readonly #tables: Tables;
  readonly #monotonicMs: () => number;
  #canaryBaselineMs = Infinity;

  constructor(query: Query, tables: Tables, monotonicMs: () => number) {
    this.#query = query;
    this.#tables = tables;
    this.#monotonicMs = monotonicMs;
  }

  /** Before the first batch: how fast a look-up is without a cleanup. */
  async calibrate(): Promise<void> {
    this.#canaryBaselineMs = await this.#canary();
  }

  async read(): Promise<Reading> {
    const [row] = await this.#query<{
      lag: string | null;
      waiting: number;
      snapshot_ms: string | null;
      dead: string | null;
      live: string | null;
      building: string | null;
    }>(SURROUNDINGS, [this.#tables.outstanding, this.#tables.blacklisted]);
    return {
      replicationLagBytes: row?.lag == null ? undefined : Number(row.lag),
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
  SELECT (SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint::text
            FROM pg_stat_replication WHERE state = 'streaming') AS lag,
         (SELECT count(*) FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid())::int AS waiting,
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
    LEFT JOIN pg_stat_all_tables s ON s.relid = $1::regclass`;
