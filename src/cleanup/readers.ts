import type { Tables } from './batch-sql.js';
import { READERS_MS } from './neighbours.js';
import type { Query } from './session.js';

/** Between two looks at whether they have gone. */
const POLL_MS = 50;

/** A request of Django's is over by then, as a rule. */
const WAIT_MS = 400;

interface ReaderRow {
  readonly transaction: string;
  readonly role: string | null;
  /** This role may not see what it does, nor since when. */
  readonly hidden: boolean;
  readonly me: string;
}

/** Sessions of other roles that can't be told a backup from a request. */
export interface HiddenSessions {
  readonly roles: readonly string[];
  /** Of the cleanup. */
  readonly role: string;
}

/**
 * Open transactions that have read tokens. How old one is PostgreSQL tells only of the cleanup's own role, or to a member of
 * pg_read_all_stats; that it is still there it tells everybody, by its locks. So a backup of another role is known for one
 * after READERS_MS, as its age would tell.
 */
export class Readers {
  readonly #query: Query;
  readonly #tables: Tables;
  readonly #monotonicMs: () => number;
  readonly #sleep: (ms: number) => Promise<void>;
  readonly #tell: (hidden: HiddenSessions) => void;
  /** When each was first seen, by its virtual transaction. */
  #since = new Map<string, number>();
  readonly #toldRoles = new Set<string>();

  constructor(
    query: Query,
    tables: Tables,
    timing: { readonly monotonicMs: () => number; readonly sleep: (ms: number) => Promise<void> },
    tell: (hidden: HiddenSessions) => void,
  ) {
    this.#query = query;
    this.#tables = tables;
    this.#monotonicMs = timing.monotonicMs;
    this.#sleep = timing.sleep;
    this.#tell = tell;
  }

  /** Those that have been there for so long that they blacklist nothing any more. */
  get settled(): readonly string[] {
    const now = this.#monotonicMs();
    return [...this.#since].filter(([, since]) => now - since >= READERS_MS).map(([one]) => one);
  }

  /** Waits until those that are in the way now have gone. False: one of them stays, and a batch in vain is saved. */
  async letPass(): Promise<boolean> {
    const startedMs = this.#monotonicMs();
    let waiting = await this.#look();
    while (waiting.length > 0) {
      if (this.#monotonicMs() - startedMs >= WAIT_MS) return false;
      await this.#sleep(POLL_MS);
      const now = new Set(await this.#look());
      waiting = waiting.filter((one) => now.has(one));
    }
    return true;
  }

  async #look(): Promise<string[]> {
    const rows = await this.#query<ReaderRow>(READERS, [this.#tables.outstanding]);
    const now = this.#monotonicMs();
    this.#since = new Map(rows.map(({ transaction: one }) => [one, this.#since.get(one) ?? now]));
    const roles = rows.flatMap(({ hidden, role }) => (hidden && role !== null ? [role] : []));
    const untold = [...new Set(roles)].filter((role) => !this.#toldRoles.has(role));
    untold.forEach((role) => this.#toldRoles.add(role));
    if (untold.length > 0) this.#tell({ roles: untold, role: rows[0]?.me ?? '' });
    return rows.map(({ transaction }) => transaction);
  }
}

const READERS = `
  SELECT DISTINCT l.virtualtransaction AS transaction, a.usename::text AS role, quote_ident(current_user) AS me,
         a.backend_type IS NULL AS hidden
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
   WHERE l.locktype = 'relation' AND l.relation = $1::regclass AND l.granted AND l.pid <> pg_backend_pid()
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND l.mode IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')`;
