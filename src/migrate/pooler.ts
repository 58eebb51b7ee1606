import { sqlStateOf } from '../store/errors.js';
import { MigrateError } from './errors.js';
import type { Session } from './session.js';

/** A pooler that deals sessions out at random is found with each of these by one half at least. */
const ROUNDS = 4;

/**
 * Refuses a pooler that gives each transaction another session (PgBouncer's pool_mode transaction or statement, and
 * their like): the lock of all runners would be left behind in a session that goes on to serve somebody else, the
 * settings of a migration would reach live traffic, and a build could not be watched or given up.
 *
 * Two connections of our own tell for certain, without knowing any pooler by name: an idle one's session must not
 * turn up behind the other, and must still be there when the other one is busy. Nothing is set or locked before.
 *
 * @throws MigrateError POOLER
 */
export async function refusePooler(one: Session, other: Session): Promise<void> {
  const seen = await backendPid(one);
  for (let round = 0; round < ROUNDS; round++) {
    await inTransaction(other, async (pid) => {
      // Before the idle one is asked anything: in a pool of one it would wait for the other without end.
      if (pid === seen) throw refusal('two connections of its own were given the same session');
      if ((await backendPid(one)) !== seen) {
        throw refusal('the session behind the connection changed between two statements');
      }
    });
  }
}

async function backendPid(session: Session): Promise<number> {
  const [row] = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return row?.pid ?? 0;
}

async function inTransaction(session: Session, use: (pid: number) => Promise<void>): Promise<void> {
  try {
    await session.rehearse(async () => use(await backendPid(session)));
  } catch (error) {
    // PgBouncer's statement mode: "transaction blocks not allowed in statement pooling mode".
    if (sqlStateOf(error) === '08P01') throw refusal('transactions are not allowed');
    throw error;
  }
}

/** The first session is served, and the second one is not. */
export function poolOfOne(): MigrateError {
  return new MigrateError(
    'POOLER',
    'A second session on the database was not to be had: a pool before PostgreSQL has no other free, or has only one. ' +
      'migrate watches a build, and gives it up, from a second one. Nothing was changed. Give it a direct connection to ' +
      'PostgreSQL, or a pool of two and more.',
  );
}

function refusal(sign: string): MigrateError {
  return new MigrateError(
    'POOLER',
    `There is a pooler in transaction mode between here and PostgreSQL (${sign}). Locks and settings of a session ` +
      "don't hold there. Give migrate a direct connection to PostgreSQL, or a pool in session mode.",
  );
}
