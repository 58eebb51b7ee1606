import { setTimeout as sleep } from 'node:timers/promises';
import type { Tables } from './batch-sql.js';
import type { CleanupSession } from './session.js';

/** Fewer dead rows than that are autovacuum's business, and cost nobody anything. */
const MIN_ROWS = 10_000;

/** Of the table: a vacuum reads all indexes whole, whatever there is to remove. As autovacuum is set (0008). */
const MIN_SHARE = 0.02;

/**
 * Manual VACUUMs run at full speed by default; with this they rest as autovacuum does, for the sake of live traffic.
 * https://www.postgresql.org/docs/current/runtime-config-resource.html
 */
const COST_DELAY = '2ms';

/** Whether it pays, after so many rows were removed. */
export async function vacuumPays(
  { query }: CleanupSession,
  { outstanding }: Tables,
  deleted: number,
): Promise<boolean> {
  if (deleted < MIN_ROWS) return false;
  const [row] = await query<{ rows: number }>(
    `SELECT greatest(reltuples, 0)::float8 AS rows FROM pg_class WHERE oid = '${outstanding.replaceAll("'", "''")}'::regclass`,
  );
  return deleted >= MIN_SHARE * (row?.rows ?? 0);
}

/** A table that a VACUUM passed over: it says so in a warning, and succeeds. */
export interface Skipped {
  readonly table: string;
  readonly why: 'locked' | 'not owner';
}

/**
 * @param gently false: as fast as it can
 * @returns the tables that were passed over
 */
export async function vacuum(
  session: CleanupSession,
  { outstanding, blacklisted, embedded }: Tables & { readonly embedded: boolean },
  gently: boolean,
): Promise<Skipped[]> {
  const { query, slowly } = session;
  const skipped: Skipped[] = [];
  // VACUUM can't be in a transaction, and so neither SET LOCAL. A pooler may keep this in a session for a moment:
  // it says how fast VACUUMs run, and nothing else.
  if (gently) await query(`SET vacuum_cost_delay = '${COST_DELAY}'`);
  try {
    for (const table of [blacklisted, outstanding]) {
      const before = embedded ? undefined : await look(session, table);
      // TRUNCATE off: giving empty pages at the end back would lock everybody out for a moment.
      await slowly(`VACUUM (ANALYZE, TRUNCATE off, SKIP_LOCKED) ${table}`);
      // The embedded database is nobody's but ours, and nobody is beside it.
      if (before !== undefined && !(await isCounted(session, table, before.count)))
        skipped.push({ table: before.name, why: before.allowed ? 'locked' : 'not owner' });
    }
  } finally {
    if (gently) await query('RESET vacuum_cost_delay').catch(() => undefined);
  }
  return skipped;
}

interface Look {
  readonly name: string;
  /** VACUUMs that ended since the statistics were reset. */
  readonly count: string;
  readonly allowed: boolean;
  readonly counting: boolean;
}

async function look({ query }: CleanupSession, table: string): Promise<Look | undefined> {
  const [row] = await query<Look>(
    `SELECT c.relname::text AS name, pg_stat_get_vacuum_count(c.oid)::text AS count,
            current_setting('track_counts')::boolean AS counting,
            pg_has_role(c.relowner, 'USAGE')
              OR pg_has_role((SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
              -- The right MAINTAIN is of PostgreSQL 17.
              OR CASE WHEN current_setting('server_version_num')::int >= 170000
                      THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END AS allowed
       FROM pg_class c WHERE c.oid = $1::regclass`,
    [table],
  );
  return row?.counting === true ? row : undefined;
}

/** PostgreSQL 14 counts a moment later. */
async function isCounted(session: CleanupSession, table: string, before: string): Promise<boolean> {
  for (let tries = 0; tries < COUNT_TRIES; tries++) {
    if (tries > 0) await sleep(COUNT_PAUSE_MS);
    if ((await look(session, table))?.count !== before) return true;
  }
  return false;
}

const COUNT_TRIES = 10;
const COUNT_PAUSE_MS = 100;
