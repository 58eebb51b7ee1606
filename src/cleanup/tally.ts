import type { Ended, Summary } from './events.js';

/** What a run has come to so far. */
export class Tally {
  readonly startedMs: number;
  /** Rows to look at: those that were, and those that are ahead. */
  #backlogRows = 0;
  deleted = 0;
  kept = 0;
  steppedOver = 0;
  retries = 0;
  #blacklistDeleted = 0;
  #seen = 0;
  readonly #keptIds: string[] = [];
  readonly #batchMs: number[] = [];
  #batches = 0;
  protectedRows = 0;
  readonly #protectedIds: string[] = [];
  #protectedBy = '';
  readonly #givenWay = new Map<string, number>();

  constructor(startedMs: number) {
    this.startedMs = startedMs;
  }

  committed(
    batch: {
      seen: number;
      gone: number;
      freed: number;
      heldIds: readonly string[];
      keptIds: readonly string[];
    },
    ms: number,
  ): void {
    this.deleted += batch.gone;
    this.#blacklistDeleted += batch.freed;
    this.#seen += batch.seen;
    this.kept += batch.seen - batch.gone - batch.heldIds.length;
    this.steppedOver += batch.heldIds.length;
    for (const id of batch.keptIds) if (this.#keptIds.length < MOST_IDS) this.#keptIds.push(id);
    // A ring: a run of months must not fill the memory.
    this.#batchMs[this.#batches++ % MOST_TIMES] = ms;
  }

  /** A trigger of the site's keeps it. */
  isProtected(id: string, by: string): void {
    this.protectedRows++;
    this.#protectedBy = by;
    if (this.#protectedIds.length < MOST_IDS) this.#protectedIds.push(id);
  }

  gaveWay(reasons: readonly string[], ms: number): void {
    for (const reason of reasons) {
      // Without its figures, which differ from one look to the next.
      const kind = reason.replace(/[\d.]+/g, 'N');
      this.#givenWay.set(kind, (this.#givenWay.get(kind) ?? 0) + ms);
    }
  }

  /** So many rows are ahead. */
  ahead(rows: number): void {
    this.#backlogRows = this.#seen + rows;
  }

  get leftRows(): number {
    return Math.max(0, this.#backlogRows - this.#seen);
  }

  progress(nowMs: number): {
    deleted: number;
    leftRows: number;
    rowsPerSecond: number;
    remainingMs: number | undefined;
    percent: number;
  } {
    const elapsedMs = Math.max(1, nowMs - this.startedMs);
    const left = this.leftRows;
    return {
      deleted: this.deleted,
      leftRows: left,
      rowsPerSecond: Math.round((this.deleted * 1000) / elapsedMs),
      remainingMs: this.#seen === 0 ? undefined : Math.round((left * elapsedMs) / this.#seen),
      percent: Math.min(100, Math.round((100 * this.#seen) / Math.max(1, this.#seen + left))),
    };
  }

  summary(of: { ended: Ended; cutoff: string; backlogRows: number; nowMs: number }): Summary {
    const durationMs = of.nowMs - this.startedMs;
    const sorted = [...this.#batchMs].sort((a, b) => a - b);
    const at = (q: number): number =>
      round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0);
    return {
      ended: of.ended,
      cutoff: of.cutoff,
      deleted: this.deleted,
      blacklistDeleted: this.#blacklistDeleted,
      kept: this.kept,
      keptIds: this.#keptIds,
      steppedOver: this.steppedOver,
      protected: { rows: this.protectedRows, ids: this.#protectedIds, by: this.#protectedBy },
      batches: this.#batches,
      retries: this.retries,
      durationMs: Math.round(durationMs),
      rowsPerSecond: Math.round((this.deleted * 1000) / Math.max(1, durationMs)),
      batchMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
      givenWay: [...this.#givenWay].map(([reason, ms]) => ({ reason, ms: Math.round(ms) })),
      backlogRows: of.backlogRows,
      vacuumMs: undefined,
      room: [],
    };
  }
}

/** Enough to look at. */
const MOST_IDS = 10;

/** An hour at the default pace. */
const MOST_TIMES = 30_000;

function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
