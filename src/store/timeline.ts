import type { DatabaseClock } from '../rotation/ports.js';

/**
 * Where a server stands in its history, as text: which system, which timeline, how far it is on disk. NULL on a standby,
 * which has nothing of its own. https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES
 */
export const POSITION_SQL = `
  CASE WHEN NOT pg_is_in_recovery()
       THEN (SELECT system_identifier FROM pg_control_system()) || ' '
            || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) || ' '
            || (pg_current_wal_flush_lsn() - '0/0')
  END`;

/**
 * Notices that the database goes on from an earlier point than it had reached: a standby was promoted, or a backup was
 * restored. Commits that were answered may be lost then (rule 36).
 */
export class Timeline {
  readonly #clock: DatabaseClock;
  readonly #onCut: () => void;
  #history: string | undefined;
  #reached = 0n;
  #cutAtUs: number | undefined;

  constructor(clock: DatabaseClock, onCut: () => void = () => undefined) {
    this.#clock = clock;
    this.#onCut = onCut;
  }

  /** When it was last seen to do so, by the database's clock. */
  get cutAtUs(): number | undefined {
    return this.#cutAtUs;
  }

  /** @param position what `POSITION_SQL` returned; null: not known at the moment */
  observe(position: string | null): void {
    const read = /^(\d+ [0-9A-F]{8}) (\d+)$/.exec(position ?? '');
    if (read === null) return;
    const [, history = '', flushed = '0'] = read;
    const reached = BigInt(flushed);
    // A copy of the files that is started as if after a crash keeps its timeline, and has less in it.
    const isCut = this.#history !== undefined && (history !== this.#history || reached < this.#reached);
    this.#history = history;
    this.#reached = reached;
    if (!isCut) return;
    this.#cutAtUs = this.#clock.nowUs();
    this.#onCut();
  }
}
