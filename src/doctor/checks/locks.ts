import { setTimeout as sleep } from 'node:timers/promises';
import { askOf } from '../../store/database.js';
import { tableLocks, type TableLock } from '../../store/table-locks.js';
import { fault, ofQuery, type Check, type Finding } from '../check.js';

/** A lock that is there twice is no moment's. */
const APART_MS = 500;

export const LOCK_CHECKS: readonly Check[] = [
  ofQuery(
    'locks',
    'nobody locks the token tables against writes',
    async (database): Promise<TableLock[]> => {
      const look = () =>
        tableLocks(askOf(database), {
          outstanding: 'token_blacklist_outstandingtoken',
          blacklisted: 'token_blacklist_blacklistedtoken',
        });
      const first = await look();
      if (first.length === 0) return [];
      await sleep(APART_MS);
      const again = await look();
      return first.filter((one) => again.some((other) => other.pid === one.pid && other.table === one.table));
    },
    (locks) => locks.map(findingOf),
  ),
];

function findingOf({ pid, table, granted, blockers }: TableLock): Finding {
  if (granted)
    return fault(
      `Session ${pid} locks ${table} against writes: refreshes and log-ins wait for it, and get 503 or hang.`,
      `${whatIs([pid])} If nothing hangs on it: SELECT pg_terminate_backend(${pid});`,
    );
  const before = blockers.length === 0 ? 'others' : `session ${blockers.join(', ')}`;
  return fault(
    `Session ${pid} waits to lock ${table}, behind ${before}. Whoever comes after it waits, too: refreshes and log-ins.`,
    `${whatIs([pid, ...blockers])} End the one that can be done without: SELECT pg_terminate_backend(${blockers[0] ?? pid});`,
  );
}

function whatIs(pids: readonly number[]): string {
  return `What it does, as superuser or with pg_read_all_stats: SELECT pid, state, xact_start, query FROM pg_stat_activity WHERE pid IN (${pids.join(', ')});`;
}
