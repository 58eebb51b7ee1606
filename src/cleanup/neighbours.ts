import { sqlStateOf } from '../store/errors.js';
import type { Tables } from './batch-sql.js';
import { WORKED_MS, type Query, type Worked } from './session.js';

/**
 * Who would be hurt by a batch's commit: Django's foreign key is looked at when Django commits, and a blacklist row
 * whose token has gone meanwhile is an error there (23503). Orphans there are none either way.
 */
export type Neighbour =
  /** Waits for this transaction: it blacklists one of its rows at this moment. */
  | 'waiter'
  /** Its open transaction has read tokens, and may blacklist one next. */
  | 'reader'
  /** Its open transaction has written to the blacklist: perhaps for one of these rows. */
  | 'writer';

/** Nobody is hurt: it is committed. */
interface Commit<Hurt> {
  readonly hurt: Hurt | undefined;
  /** What the checks of foreign keys took, and the looks. */
  readonly workedMs: number;
}

/** A moment without readers is waited for so often and so long; others wait for this batch's locks meanwhile. */
const READER_POLLS = 8;
const READER_POLL_MS = 3;

/** A request of Django's is over by then; what is older is a report or a backup, and blacklists nothing. */
export const READERS_MS = 5_000;

/**
 * Commits the batch, unless it would hurt somebody: then nothing is committed, and it says whom.
 *
 * The look and the commit travel in one message: whoever reads a token between the two is the one that this can't
 * see, and so there must be as little between them as can be (about 0.1 ms, by what its parts take).
 *
 * @param unlisted those that went and had no blacklist row
 */
export async function commitUnlessHurting(
  query: Query,
  tables: Tables & { readonly audited: boolean },
  unlisted: readonly string[],
  {
    heedReaders,
    settledReaders,
    sleep,
  }: {
    readonly heedReaders: boolean;
    readonly settledReaders: readonly string[];
    readonly sleep: (ms: number) => Promise<void>;
  },
): Promise<Commit<Exclude<Neighbour, 'writer'>>> {
  // Foreign keys are checked first: that takes longer than all else.
  let prepare = 'SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; SAVEPOINT look';
  // A row that had a blacklist row keeps others waiting by itself.
  let probed = unlisted.length === 0;
  let workedMs = 0;
  for (let polls = 0; ;) {
    const tried = await tryCommit(
      query,
      prepare,
      lookSql(tables, { readers: heedReaders, settled: settledReaders, writers: !probed }),
    );
    workedMs += tried.workedMs;
    const { hurt } = tried;
    if (hurt === undefined || hurt === 'waiter') return { hurt, workedMs };
    prepare = 'ROLLBACK TO look; SELECT pg_stat_clear_snapshot()';
    if (hurt === 'reader') {
      if (++polls > READER_POLLS) return { hurt, workedMs };
      await sleep(READER_POLL_MS);
      continue;
    }
    probed = true;
    if (tables.audited) {
      // Triggers of the site's would write down log-outs that nobody made. What they wrote goes with the savepoint; so does
      // what would keep others waiting, which only the few who come now could be hurt by.
      await query(`ROLLBACK TO look`);
      await query(probeSql(tables), [unlisted]);
      prepare = 'ROLLBACK TO look; SELECT pg_stat_clear_snapshot()';
      continue;
    }
    // Not within the savepoint: others would wait for that, and be let go with it.
    await query('ROLLBACK TO look; RELEASE look');
    await query(probeSql(tables), [unlisted]);
    await query(`DELETE FROM ONLY ${tables.blacklisted} WHERE token_id = ANY ($1::bigint[])`, [unlisted]);
    prepare = 'SAVEPOINT look; SELECT pg_stat_clear_snapshot()';
  }
}

async function tryCommit(query: Query, prepare: string, look: string): Promise<Commit<Neighbour>> {
  const text = `${prepare};
    SELECT CASE WHEN who <> '' THEN format('%s after %s ms', who, worked_ms)::int END, worked_ms
      FROM (SELECT who, ${WORKED_MS} FROM (${look}) AS look) AS timed;
    COMMIT`;
  try {
    const [row] = await query<Worked>(text);
    return { hurt: undefined, workedMs: row?.worked_ms ?? 0 };
  } catch (error) {
    const found =
      sqlStateOf(error) === NOT_A_NUMBER && error instanceof Error ? said(error.message) : undefined;
    if (found === undefined) throw error;
    return found;
  }
}

/** SQL has no "raise": a cast that fails ends the message before its COMMIT, and quotes what it was given. */
const NOT_A_NUMBER = '22P02';

function said(message: string): Commit<Neighbour> | undefined {
  const [, who, ms] = /"(waiter|reader|writer) after ([-+.\de]+) ms"/.exec(message) ?? [];
  return who === undefined ? undefined : { hurt: who as Neighbour, workedMs: Number(ms) };
}

/**
 * A transaction keeps its locks on tables until its end, and so it is seen that it has looked at a token though it is
 * idle now. A claim of ours is one statement that reads and writes: over at once, and a writer at most. Parse and bind
 * of one statement may lie up to a millisecond apart.
 *
 * What isn't known of a session is taken for the worst: activity is read a moment before or after the locks, is frozen
 * within a transaction (whence pg_stat_clear_snapshot), and is hidden from a role that may not see others'.
 *
 * https://www.postgresql.org/docs/current/view-pg-locks.html
 */
function lookSql(
  { outstanding, blacklisted }: Tables,
  {
    readers,
    settled,
    writers,
  }: { readonly readers: boolean; readonly settled: readonly string[]; readonly writers: boolean },
): string {
  // As pg_locks writes them, and so in need of no quoting.
  const known = settled.filter((one) => /^-?\d+\/\d+$/.test(one)).map((one) => `'${one}'`);
  return `
  WITH locks AS MATERIALIZED (
    SELECT pid, virtualtransaction, relation, transactionid, mode, granted FROM pg_locks
     WHERE locktype = 'transactionid'
        OR (locktype = 'relation' AND relation IN (${oidOf(outstanding)}, ${oidOf(blacklisted)})
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
  ), others AS (
    SELECT pid,
           bool_or(NOT granted AND transactionid IN (SELECT transactionid FROM locks WHERE pid = pg_backend_pid())) AS waits,
           bool_or(relation = ${oidOf(outstanding)} AND granted
                   AND mode IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
                   ${known.length === 0 ? '' : `AND virtualtransaction NOT IN (${known.join(', ')})`}) AS reads,
           bool_or(relation = ${oidOf(blacklisted)} AND granted AND mode = 'RowExclusiveLock') AS writes
      FROM locks WHERE pid <> pg_backend_pid() GROUP BY pid
  )
  SELECT CASE
           WHEN bool_or(waits) THEN 'waiter'
           WHEN ${String(readers)} AND bool_or(
                  reads AND coalesce(backend_type = 'client backend', true)
                  AND coalesce(xact_start > clock_timestamp() - ${READERS_MS} * interval '1 millisecond', true)
                  AND (NOT writes OR coalesce(state <> 'active' OR query_start - xact_start > interval '2 ms', true))
                ) THEN 'reader'
           WHEN ${String(writers)} AND bool_or(writes) THEN 'writer'
         END AS who
    FROM others LEFT JOIN pg_stat_activity USING (pid)`;
}

/**
 * Whether one of the open transactions has blacklisted a row of this batch. Its row isn't visible, and the foreign key
 * doesn't see it either; but the unique key does: the same key can't be inserted until it has ended, and that wait is
 * over after lock_timeout (55P03). What was inserted here goes again at once. From now on whoever comes to blacklist
 * one of these rows waits for this transaction, and is seen.
 */
function probeSql({ blacklisted }: Tables): string {
  return `
  INSERT INTO ${blacklisted} (id, blacklisted_at, token_id)
  SELECT -id, now(), id FROM unnest($1::bigint[]) AS id
  ON CONFLICT (token_id) DO NOTHING`;
}

function oidOf(table: string): string {
  return `'${table.replaceAll("'", "''")}'::regclass`;
}
