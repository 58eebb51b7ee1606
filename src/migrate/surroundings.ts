import type { Blocker } from './blocker.js';
import { LONG_TRANSACTION_MS, type Maintenance, type ServerFacts, type Surroundings } from './preflight.js';
import type { Relation } from '../store/token-tables.js';
import { redactQuery } from './redact.js';
import type { Session } from './session.js';

export async function readServer(session: Session): Promise<ServerFacts & { readonly embedded: boolean }> {
  const [row] = await session.query<{
    version_num: number;
    version: string;
    embedded: boolean;
    standby: boolean;
    ours: boolean;
    owner: string | null;
    role: string;
  }>(
    `SELECT current_setting('server_version_num')::int AS version_num,
            current_setting('server_version') AS version,
            version() LIKE '%PGlite%' AS embedded,
            pg_is_in_recovery() AS standby,
            CASE WHEN to_regnamespace('${session.own}') IS NULL
                 THEN has_database_privilege(current_database(), 'CREATE')
                 ELSE has_schema_privilege(to_regnamespace('${session.own}'), 'CREATE')
                  AND NOT EXISTS (SELECT FROM pg_class
                                   WHERE relnamespace = to_regnamespace('${session.own}') AND relname = 'migrations'
                                     AND NOT (has_table_privilege(oid, 'INSERT')
                                              AND has_table_privilege(oid, 'UPDATE'))) END AS ours,
            (SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = '${session.own}') AS owner,
            current_user::text AS role`,
  );
  if (row === undefined) throw new Error('the server answered nothing about itself');
  return {
    own: session.own,
    versionNum: row.version_num,
    version: row.version,
    embedded: row.embedded,
    standby: row.standby,
    mayCreateOurs: row.ours,
    ownerOfOurs: row.owner ?? undefined,
    role: row.role,
  };
}

interface ActivityRow {
  pid: number;
  user: string | null;
  application: string | null;
  state: string | null;
  age_ms: string | null;
  query: string | null;
}

const ACTIVITY = `a.pid, a.usename::text AS user, a.application_name AS application, a.state,
            (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint::text AS age_ms, a.query`;

/** What else goes on in this database that a build would meet. */
export async function readSurroundings(session: Session, tables: readonly string[]): Promise<Surroundings> {
  const longTransactions = await session.query<ActivityRow>(
    `SELECT ${ACTIVITY}
       FROM pg_stat_activity a
      WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
        AND a.xact_start < clock_timestamp() - $1 * interval '1 millisecond'
        -- A VACUUM's transaction is old and holds no build up by its age; it is told of as maintenance.
        AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid)
      ORDER BY a.xact_start
      LIMIT 10`,
    [LONG_TRANSACTION_MS],
  );
  const cleanups = await session.query<ActivityRow>(
    `SELECT ${ACTIVITY}
       FROM pg_stat_activity a
      WHERE a.datname = current_database() AND a.application_name = 'carelink-tokens cleanup'`,
  );
  const prepared = await session.query<{ gid: string; age_ms: string }>(
    `SELECT gid, (extract(epoch FROM clock_timestamp() - prepared) * 1000)::bigint::text AS age_ms
       FROM pg_prepared_xacts WHERE database = current_database()`,
  );
  return {
    longTransactions: longTransactions.map(blockerOf),
    cleanups: cleanups.map(blockerOf),
    prepared: prepared.map((row) => ({ gid: row.gid, ageMs: Number(row.age_ms) })),
    maintenance: await readMaintenance(session, tables),
    outOfPath: await readOutOfPath(session, tables),
  };
}

/** By pg_class: nothing else tells of a schema that a role may not look into. */
async function readOutOfPath(session: Session, tables: readonly string[]): Promise<Relation[]> {
  return session.query<Relation & object>(
    `SELECT n.nspname::text AS schema, c.relname::text AS name, format('%I.%I', n.nspname, c.relname) AS qualified
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relname = ANY ($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_'
        AND n.nspname <> ALL (current_schemas(false))
      ORDER BY 3`,
    [tables],
  );
}

async function readMaintenance(session: Session, tables: readonly string[]): Promise<Maintenance[]> {
  const rows = await session.query<{
    pid: number;
    table: string;
    what: Maintenance['what'];
    index: string | null;
    age_ms: string | null;
  }>(
    `SELECT m.pid, c.relname AS table, m.what, i.relname AS index,
            (extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint::text AS age_ms
       FROM (SELECT pid, relid, index_relid, 'CREATE INDEX' AS what
               FROM pg_stat_progress_create_index WHERE datname = current_database()
             UNION ALL
             SELECT pid, relid, NULL, 'VACUUM'
               FROM pg_stat_progress_vacuum WHERE datname = current_database()
             UNION ALL
             SELECT pid, relid, NULL, 'VACUUM FULL or CLUSTER'
               FROM pg_stat_progress_cluster WHERE datname = current_database()) AS m
       JOIN pg_class c ON c.oid = m.relid
       LEFT JOIN pg_class i ON i.oid = m.index_relid
       LEFT JOIN pg_stat_activity a ON a.pid = m.pid
      WHERE m.relid = ANY (SELECT to_regclass(quote_ident(name)) FROM unnest($1::text[]) AS name)`,
    [tables],
  );
  return rows.map((row) => ({
    pid: row.pid,
    table: row.table,
    what: row.what,
    index: row.index ?? undefined,
    ageMs: row.age_ms === null ? undefined : Number(row.age_ms),
  }));
}

/** Sessions, as whoever has to decide what to do about them must see them. 0 is a prepared transaction. */
export async function describeSessions(session: Session, pids: readonly number[]): Promise<Blocker[]> {
  if (pids.length === 0) return [];
  const rows = await session.query<ActivityRow>(
    `SELECT ${ACTIVITY} FROM pg_stat_activity a WHERE a.pid = ANY ($1::int[]) ORDER BY a.xact_start`,
    [pids],
  );
  const prepared = pids.includes(0) ? [PREPARED] : [];
  return [...rows.map(blockerOf), ...prepared];
}

const PREPARED: Blocker = {
  pid: 0,
  user: undefined,
  application: undefined,
  state: 'prepared transaction, see pg_prepared_xacts',
  ageMs: undefined,
  query: undefined,
};

function blockerOf(row: ActivityRow): Blocker {
  return {
    pid: row.pid,
    user: row.user ?? undefined,
    application: row.application === null || row.application === '' ? undefined : row.application,
    state: row.state ?? undefined,
    ageMs: row.age_ms === null ? undefined : Number(row.age_ms),
    query: row.query === null || row.query === '' ? undefined : redactQuery(row.query),
  };
}
