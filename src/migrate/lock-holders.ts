import type { Blocker } from './blocker.js';
import { inWords } from './preflight.js';
import type { Session } from './session.js';
import { describeSessions } from './surroundings.js';

/** Modes of table locks, weakest first: "Table-Level Locks" in the PostgreSQL manual. */
const MODES = [
  'AccessShareLock',
  'RowShareLock',
  'RowExclusiveLock',
  'ShareUpdateExclusiveLock',
  'ShareLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
] as const;

/** What a statement can't have beside it: any lock on one of the tables that is this strong, or stronger. */
export interface Conflict {
  readonly tables: readonly string[];
  readonly from: (typeof MODES)[number];
}

/** Who holds such a lock, by transaction. As long as he does, the statement waits. */
export async function lockHolders(
  session: Session,
  { tables, from }: Conflict,
): Promise<Map<string, number>> {
  // pg_locks is open to every role; ages of other roles' transactions aren't.
  const rows = await session.query<{ transaction: string; pid: number }>(
    `SELECT DISTINCT virtualtransaction AS transaction, coalesce(pid, 0) AS pid
       FROM pg_locks
      WHERE locktype = 'relation' AND granted AND pid IS DISTINCT FROM pg_backend_pid() AND mode = ANY ($2)
        AND relation = ANY (SELECT to_regclass(quote_ident(name))::oid FROM unnest($1::text[]) AS name)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [tables, MODES.slice(MODES.indexOf(from))],
  );
  return new Map(rows.map(({ transaction, pid }) => [transaction, pid]));
}

/** The same, as whoever has to decide what to do about them must see them. */
export async function describeHolders(session: Session, conflict: Conflict): Promise<Blocker[]> {
  return describeSessions(session, [...(await lockHolders(session, conflict)).values()]);
}

/** `session 4711 (nightly report, idle in transaction, 12 min old)`, or nothing where nobody is known. */
export function sessionsInWords(blockers: readonly Blocker[]): string {
  return blockers
    .map(({ pid, application, state, ageMs }) => {
      const known = [application, state, ageMs === undefined ? undefined : `${inWords(ageMs)} old`];
      const about = known.filter(Boolean).join(', ');
      return `session ${pid}${about === '' ? '' : ` (${about})`}`;
    })
    .join(', ');
}
