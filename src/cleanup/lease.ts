import { randomUUID } from 'node:crypto';
import { CleanupError } from './errors.js';
import { describeSelf, isGone, readHolder, type Holder } from './holder.js';
import type { CleanupSession, Query } from './session.js';
import type { Owned } from '../store/own-schema.js';

/**
 * One runner over all instances, kept by a row (rule 16): a session's lock strands behind a pooler, and a
 * transaction's isn't held between batches.
 *
 * A lease ends by itself when its holder is gone. Until then a newcomer watches: a lease that is renewed has a holder
 * that lives, and is refused at once; one that isn't is taken over when it ends, or at once where its holder is gone for
 * certain (holder.ts). Should that be wrong after all, nothing is lost: the holder's next batch finds the lease gone.
 */
export interface Lease {
  /**
   * Within a batch's transaction: makes sure that the lease is still this runner's, and keeps others from taking it
   * until the transaction ends.
   *
   * @throws CleanupError LEASE_LOST
   */
  renew(query: Query): Promise<void>;
  /** @param finished the run came to its end, which is written down */
  release(finished: boolean): Promise<void>;
}

/** How long a runner of which nothing can be known keeps the next one waiting. */
const LEASE_MS = 10_000;

/** A holder that rests renews at least that often, a third of the time, so that one lost renewal is no loss. */
export const RENEW_EVERY_MS = LEASE_MS / 4;

const POLL_MS = 250;

export interface LeaseTiming {
  readonly monotonicMs: () => number;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
}

const LEASE = `'cleanup'`;

/** @throws CleanupError LEASE_HELD */
export async function takeLease(
  session: CleanupSession,
  { own }: Owned,
  timing: LeaseTiming,
  signal?: AbortSignal,
): Promise<Lease> {
  const owner = randomUUID();
  const deadlineMs = timing.monotonicMs() + LEASE_MS + POLL_MS;
  for (let seen: string | undefined; ;) {
    if (await tryTake(session, own, owner)) return leaseOf(session, own, owner);
    const { renewal, holder, ownedBy } = await look(session, own);
    const alive = renewal === undefined || (seen !== undefined && renewal !== seen);
    if (!alive && ownedBy !== undefined && (await isGone(holder, session.query))) {
      if (await tryTake(session, own, owner, ownedBy)) return leaseOf(session, own, owner);
    }
    if (signal?.aborted === true) throw new CleanupError('INTERRUPTED', 'Interrupted. Nothing was changed.');
    if (alive || timing.monotonicMs() > deadlineMs) throw held(holder.name);
    seen = renewal;
    await timing.sleep(POLL_MS, signal).catch(() => undefined);
  }
}

function leaseOf(session: CleanupSession, own: string, owner: string): Lease {
  return {
    async renew(query) {
      const rows = await query(
        `UPDATE ${own}.cleanup_lease SET expires_at = clock_timestamp() + ${LEASE_MS} * interval '1 millisecond'
          WHERE name = ${LEASE} AND owner = $1 RETURNING owner`,
        [owner],
      );
      if (rows.length === 0) {
        throw new CleanupError(
          'LEASE_LOST',
          `This cleanup did not renew its lease for ${LEASE_MS / 1000} s, and another one has taken over. ` +
            'Nothing is to be done; what this one finished is kept.',
        );
      }
    },
    async release(finished) {
      const at = finished ? ', finished_at = clock_timestamp()' : '';
      await session.query(
        `UPDATE ${own}.cleanup_lease SET owner = NULL, holder = NULL, expires_at = clock_timestamp()${at}
          WHERE name = ${LEASE} AND owner = $1`,
        [owner],
      );
    },
  };
}

/** @param gone an owner that holds it no longer, whatever the row says */
async function tryTake(session: CleanupSession, own: string, owner: string, gone?: string): Promise<boolean> {
  const rows = await session.query(
    `WITH made AS (
       INSERT INTO ${own}.cleanup_lease (name, owner, holder, expires_at)
       SELECT ${LEASE}, $1, $2, clock_timestamp() + ${LEASE_MS} * interval '1 millisecond'
        WHERE NOT EXISTS (SELECT FROM ${own}.cleanup_lease WHERE name = ${LEASE})
       ON CONFLICT (name) DO NOTHING
       RETURNING owner
     ), free AS (
       -- A row that is locked belongs to a batch that is at work: not waited for, or it would wait for us.
       SELECT name FROM ${own}.cleanup_lease
        WHERE name = ${LEASE} AND (owner IS NULL OR owner = $3 OR expires_at < clock_timestamp())
          FOR UPDATE SKIP LOCKED
     ), taken AS (
       UPDATE ${own}.cleanup_lease AS l
          SET owner = $1, holder = $2, expires_at = clock_timestamp() + ${LEASE_MS} * interval '1 millisecond'
         FROM free WHERE l.name = free.name
       RETURNING l.owner
     )
     SELECT owner FROM made UNION ALL SELECT owner FROM taken`,
    [owner, describeSelf(session.backend), gone ?? null],
  );
  return rows.length > 0;
}

/** When the holder last renewed it; undefined: it is renewing it now. */
async function look(
  session: CleanupSession,
  own: string,
): Promise<{ renewal: string | undefined; holder: Holder; ownedBy: string | undefined }> {
  const [row] = await session.query<{
    expires_at: string;
    holder: string | null;
    owner: string | null;
    free: boolean;
  }>(
    `SELECT l.expires_at::text, l.holder, l.owner,
            EXISTS (SELECT FROM ${own}.cleanup_lease WHERE name = ${LEASE} FOR UPDATE SKIP LOCKED) AS free
       FROM ${own}.cleanup_lease AS l WHERE l.name = ${LEASE}`,
  );
  return {
    renewal: row?.free === false ? undefined : row?.expires_at,
    holder: readHolder(row?.holder ?? 'unknown'),
    ownedBy: row?.owner ?? undefined,
  };
}

function held(holder: string): CleanupError {
  return new CleanupError(
    'LEASE_HELD',
    `Another cleanup is running on this database (${holder}). Wait for it, or stop it.`,
  );
}

/** How long ago a run last came to its end, on the database's clock; undefined: never. */
export async function sinceLastFinish(query: Query, { own }: Owned): Promise<number | undefined> {
  const [row] = await query<{ ms: string | null }>(
    `SELECT (extract(epoch FROM clock_timestamp() - finished_at) * 1000)::bigint::text AS ms
       FROM ${own}.cleanup_lease WHERE name = ${LEASE}`,
  );
  return row?.ms == null ? undefined : Number(row.ms);
}
