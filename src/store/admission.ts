import { FEW_ITEMS, StatementTime } from './statement-time.js';

/** Work that waits for statements, and what these cost. */
export interface Backlog {
  /** Items that no statement has taken yet. */
  readonly waiting: number;
  /** Items in statements that are out. */
  readonly out: number;
  readonly lanes: number;
  /** Lanes on which no statement is out. */
  readonly freeLanes: number;
  readonly maxBatch: number;
  /** Milliseconds of a statement by itself. */
  readonly fixedMs: number;
  /** Milliseconds that each item adds. */
  readonly perItemMs: number;
}

/**
 * How long a refresh may wait behind others, beyond what its own statement takes. Half a second keeps 99 of 100 answers
 * under a second at twice the load that is borne; measured in docs/decisions/0015.
 */
export const MAX_WAIT_MS = 250;

/**
 * Where answers wait so long to be read this process is what is slow, and that is the door's to judge: what got this far
 * has cost the most of what it costs, and is refused only where it would miss its deadline.
 */
const PROCESS_IS_SLOW_MS = 250;

/** How statements grow where answers wait to be read: five times the rows take the database not five times as long. */
const LARGER_EACH_MS = 50;
const LARGEST = 5;

/** How much larger than those before it a statement may be: what a row costs isn't known of a new database. */
const GROWTH = 4;

/** So few items are always let in: the next statement's time must be measured, whatever the last one took. */
const ALWAYS_LANES = 2;

/**
 * Whether one more item can be answered in its time.
 *
 * What an item can't help is its statement by itself, and the one that it waits for: a database that takes a second for
 * each commit isn't overloaded, and nobody is refused for that. What others add is the load: their share of the
 * statements, and whole statements where more wait than one round of the lanes takes.
 *
 * @param leftMs the time until the item's deadline
 */
export function admits(backlog: Backlog, maxWaitMs: number, leftMs: number): boolean {
  const { waiting, out, lanes, freeLanes, maxBatch, fixedMs, perItemMs } = backlog;
  if (waiting + out < ALWAYS_LANES * lanes) return true;
  const othersMs = (perItemMs * (waiting + out)) / lanes;
  const roundsBefore = Math.floor(waiting / (lanes * maxBatch));
  const waitMs = othersMs + roundsBefore * fixedMs;
  // Its own, and the one that it waits for.
  const statements = freeLanes > 0 ? 1 : 2;
  return waitMs <= maxWaitMs && waitMs + statements * fixedMs <= leftMs;
}

export interface AdmissionOptions {
  readonly lanes: number;
  readonly maxBatch: number;
  readonly maxWaitMs: number;
  /** How long an answer waits until this process reads it: no statement's fault. */
  readonly lagMs?: ((nowMs: number) => number) | undefined;
}

interface Sent {
  readonly atMs: number;
  readonly items: number;
}

/** What a queue knows of its statements: those that are out, and what those before them took. */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #time = new StatementTime();
  /** The oldest first. */
  readonly #sent: Sent[] = [];
  #out = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Whether one more item than those that wait can be answered in its time. */
  takes(waiting: number, leftMs: number, nowMs: number): boolean {
    const { lanes, maxWaitMs } = this.#options;
    if (waiting + this.#out < ALWAYS_LANES * lanes) return true;
    const { perItemMs } = this.#time;
    let { fixedMs } = this.#time;
    const lagMs = this.#lagMs(nowMs);
    const [oldest] = this.#sent;
    if (oldest !== undefined && nowMs - oldest.atMs > maxWaitMs) {
      for (const { atMs, items } of this.#sent) {
        // A statement that is still out takes at least as long as it has been.
        const outMs = nowMs - atMs - perItemMs * items;
        if (outMs > maxWaitMs) fixedMs = Math.max(fixedMs, outMs - lagMs);
      }
    }
    const maxBatch = this.#maxBatch(lagMs);
    const freeLanes = lanes - this.#sent.length;
    const backlog = { waiting, out: this.#out, lanes, freeLanes, maxBatch, fixedMs, perItemMs };
    return admits(backlog, lagMs < PROCESS_IS_SLOW_MS ? maxWaitMs : Infinity, leftMs);
  }

  /**
   * How many items the next statement should take: now and then only a few, to know what a statement costs by itself;
   * never many more than were tried before, and no more than can wait for one another.
   */
  batchOf(waiting: number, nowMs: number): number {
    const few = Math.min(FEW_ITEMS, this.#options.maxBatch);
    if (waiting <= few || this.#time.wantsFew(nowMs)) return few;
    const most = Math.min(this.#maxBatch(this.#lagMs(nowMs)), GROWTH * Math.max(FEW_ITEMS, this.#time.items));
    const { perItemMs } = this.#time;
    const inTime = perItemMs > 0 ? Math.floor(this.#options.maxWaitMs / perItemMs) : most;
    return Math.max(few, Math.min(most, inTime));
  }

  /** When a statement of so many items would end that is sent now. */
  endsMs(items: number, nowMs: number): number {
    return nowMs + this.#time.of(items);
  }

  /** Whether no statement is out: one must be sent then to know what it takes. */
  get idle(): boolean {
    return this.#sent.length === 0;
  }

  /** A statement is sent. What is returned is to be called at its end. */
  sends(items: number, nowMs: number): (succeeded: boolean, nowMs: number) => void {
    const sent = { atMs: nowMs, items };
    this.#sent.push(sent);
    this.#out += items;
    return (succeeded, endedMs) => {
      this.#sent.splice(this.#sent.indexOf(sent), 1);
      this.#out -= items;
      const tookMs = endedMs - sent.atMs - this.#lagMs(endedMs);
      if (succeeded) this.#time.observe(items, Math.max(0, tookMs), endedMs);
    };
  }

  /** The longer an answer waits to be read, the more each statement has to take along. */
  #maxBatch(lagMs: number): number {
    return this.#options.maxBatch * Math.min(LARGEST, 1 + Math.floor(lagMs / LARGER_EACH_MS));
  }

  #lagMs(nowMs: number): number {
    return this.#options.lagMs?.(nowMs) ?? 0;
  }
}
