import { Admission } from './admission.js';
import { classify } from './errors.js';
import { alive, settle, type Entry, type Settlement } from './group-entry.js';
import { recover, type Recovery } from './group-recovery.js';
import { SpareLanes, type Patience } from './spare-lanes.js';
import { FEW_ITEMS } from './statement-time.js';

/**
 * Group commit: work that arrives together shares one statement.
 *
 * Items wait in one queue. A free lane takes what waits, up to a batch, and sends it as one statement; while it
 * is out the next batch gathers. A lone item goes at once; under load the batch size finds itself.
 *
 * When a statement fails, what that means for each of its items decides (group-recovery.ts).
 *
 * An item whose deadline passes leaves, wherever it is. One that is being sent then has a moment more, and is in doubt
 * after it: a server that froze mustn't hold its request.
 *
 * Who can't be answered in time isn't let in (admission.ts), and one whose time is up before its statement could end
 * isn't sent: under overload statements would else spend tokens of which nobody is told.
 */
export interface GroupQueueOptions<Item, Result> {
  /** Runs one statement for all; one result an item, in order. Rejects with `pg`'s error. */
  readonly execute: (items: readonly Item[], patience: Patience) => Promise<readonly Result[]>;
  /** Two items of one key never share a statement. */
  readonly keyOf: (item: Item) => string;
  /** A second key of an item, under the same rule; what waits for a key goes before all that came after it. */
  readonly alsoKeyOf?: (item: Item) => string;
  readonly whenReferenceGone: Recovery<Item, Result>['whenReferenceGone'];
  /** Statements at the same time; spare ones, for pieces of failed batches, come on top. */
  readonly lanes: number;
  readonly spareLanes: number;
  readonly maxBatch: number;
  /** Items that may wait; beyond it `submit` answers unavailable at once. A bound of memory. */
  readonly maxQueued: number;
  /** How long an item may have to wait behind others; beyond it `submit` answers unavailable at once. */
  readonly maxWaitMs: number;
  /** How long nothing more is sent after a statement that took so long: others go first. Not at all where it isn't given. */
  readonly pauseMs?: (tookMs: number) => number;
  /** How long an answer waits until this process reads it; 0 where it isn't given. */
  readonly lagMs?: (nowMs: number) => number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  readonly onBatch: (size: number) => void;
  /** How long the item that had waited longest for a statement did so. */
  readonly onWaited?: (ms: number) => void;
  /** An item wasn't let in, or wasn't sent because its time was nearly up. */
  readonly onRefused?: (why: QueueRefusal, item: Item) => void;
}

/** `wait`: it would have waited too long. `late`: it had too little time left. */
export type QueueRefusal = 'wait' | 'late';

/** How often waiting items are looked through for passed deadlines. */
const SWEEP_MS = 50;

/** How much longer than its deadline an item that is out may take: most answers that are due come in this time. */
const ANSWER_MS = 250;

/**
 * As long as a thousand sockets can be read at any time the event loop gets no further than reading them, for seconds.
 * After so many milliseconds a statement doesn't wait for its turn.
 */
const GATHER_MOST_MS = 5;

/** A lane that met a dead server rests this long, jittered, doubling up to the bound, so that a restart isn't met by a stampede. */
const REST_FIRST_MS = 20;
const REST_MAX_MS = 500;

export class GroupQueue<Item, Result> {
  readonly #options: GroupQueueOptions<Item, Result>;
  #waiting: Entry<Item, Result>[] = [];
  readonly #spare: SpareLanes<Item, Result>;
  readonly #recovery: Recovery<Item, Result>;
  /** What statements are out with. */
  readonly #out = new Set<readonly Entry<Item, Result>[]>();
  readonly #admission: Admission;
  #submittedMs = -Infinity;
  #busyLanes = 0;
  #flushScheduled = false;
  #gatherUntilMs = 0;
  #failuresInARow = 0;
  #restUntilMs = 0;
  #wake: NodeJS.Timeout | undefined;
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: GroupQueueOptions<Item, Result>) {
    this.#options = options;
    this.#admission = new Admission(options);
    const { spareLanes: lanes, monotonicMs, random } = options;
    this.#spare = new SpareLanes({ lanes, monotonicMs, random, onWork: () => this.#schedule() });
    this.#recovery = {
      spare: this.#spare,
      whenReferenceGone: options.whenReferenceGone,
      requeue: (batch) => this.#requeue(batch),
      rest: (batch) => this.#rest(batch),
    };
  }

  submit(item: Item, deadlineMs: number): Promise<Settlement<Result>> {
    const nowMs = this.#options.monotonicMs();
    this.#submittedMs = nowMs;
    const takes = this.takes(deadlineMs, nowMs);
    if (!takes || this.depth >= this.#options.maxQueued) {
      if (!takes) this.#options.onRefused?.('wait', item);
      return Promise.resolve({ kind: 'unavailable', sent: false });
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        item,
        submittedMs: nowMs,
        deadlineMs,
        resolve,
        reject,
        inDoubt: false,
        idsTaken: 0,
      });
      this.#schedule(nowMs);
    });
  }

  /** Whether an item could be answered by its deadline, and needn't wait too long behind others. */
  takes(deadlineMs: number, nowMs: number): boolean {
    return this.#admission.takes(this.#waiting.length, deadlineMs - nowMs, nowMs);
  }

  /** When something was last submitted, or tried to be. */
  get submittedMs(): number {
    return this.#submittedMs;
  }

  /** Items that wait, for a statement or for another try. */
  get depth(): number {
    return this.#waiting.length + this.#spare.depth;
  }

  /** Requests read in one turn of the event loop are gathered before the first of them is sent. */
  #schedule(nowMs = this.#options.monotonicMs()): void {
    this.#sweep ??= setInterval(() => this.#dropExpired(), SWEEP_MS).unref();
    const { maxBatch, lanes } = this.#options;
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      this.#gatherUntilMs = nowMs + GATHER_MOST_MS;
      setImmediate(() => {
        this.#flushScheduled = false;
        this.#flush();
      });
    } else if (this.#busyLanes < lanes && this.#waiting.length > 0) {
      if (this.#waiting.length >= maxBatch || nowMs > this.#gatherUntilMs) this.#flush();
    }
  }

  #flush(): void {
    const { lanes } = this.#options;
    this.#spare.flush((batch, patience) => this.#send(batch, patience));
    const restMs = this.#restUntilMs - this.#options.monotonicMs();
    if (restMs > 0) {
      this.#wakeAfter(restMs);
      return;
    }
    while (this.#waiting.length > 0 && this.#busyLanes < lanes) {
      const batch = this.#takeBatch();
      if (batch.length === 0) break;
      this.#busyLanes++;
      void this.#sendTimed(batch).finally(() => {
        this.#busyLanes--;
        this.#schedule();
      });
    }
  }

  #takeBatch(): Entry<Item, Result>[] {
    const { keyOf, alsoKeyOf, monotonicMs } = this.#options;
    const most = this.#admission.batchOf(this.#waiting.length, monotonicMs());
    const ready = this.#inTime(alive(this.#waiting, monotonicMs()), most);
    const batch: Entry<Item, Result>[] = [];
    const later: Entry<Item, Result>[] = [];
    const keys = new Set<string>();
    let next = 0;
    for (; next < ready.length && batch.length < most; next++) {
      const entry = ready[next] as Entry<Item, Result>;
      const key = keyOf(entry.item);
      const also = alsoKeyOf?.(entry.item);
      const free = !keys.has(key) && (also === undefined || !keys.has(also));
      (free ? batch : later).push(entry);
      keys.add(key);
      if (also !== undefined) keys.add(also);
    }
    this.#waiting = next === ready.length ? later : later.concat(ready.slice(next));
    return batch;
  }

  /**
   * Without those whose deadline would pass while their statement is out. Where that's all of them and nothing is out, the
   * newest are sent all the same: a time that was measured once must not keep everything out for good. One in doubt is
   * spent already, if it is.
   */
  #inTime(entries: Entry<Item, Result>[], most: number): Entry<Item, Result>[] {
    const { monotonicMs, onRefused } = this.#options;
    const endsMs = this.#admission.endsMs(Math.min(most, entries.length), monotonicMs());
    if (entries.every((entry) => entry.deadlineMs >= endsMs)) return entries;
    const inTime = entries.filter((entry) => entry.deadlineMs >= endsMs || entry.inDoubt);
    if (inTime.length === 0 && this.#admission.idle) inTime.push(...entries.slice(-FEW_ITEMS));
    const kept = new Set(inTime);
    for (const entry of entries) {
      if (kept.has(entry)) continue;
      onRefused?.('late', entry.item);
      entry.resolve({ kind: 'unavailable', sent: false });
    }
    return inTime;
  }

  /** One of the lanes: what it takes tells what those that wait must expect. */
  async #sendTimed(batch: Entry<Item, Result>[]): Promise<void> {
    const { monotonicMs, onWaited, pauseMs } = this.#options;
    const nowMs = monotonicMs();
    // The head has waited longest.
    onWaited?.(nowMs - (batch[0]?.submittedMs ?? nowMs));
    const ended = this.#admission.sends(batch.length, nowMs);
    const succeeded = await this.#send(batch, 'usual');
    const endedMs = monotonicMs();
    ended(succeeded, endedMs);
    if (pauseMs !== undefined)
      this.#restUntilMs = Math.max(this.#restUntilMs, endedMs + pauseMs(endedMs - nowMs));
  }

  /** Never rejects: whatever happens is settled with the entries. Resolves with whether the statement succeeded. */
  async #send(batch: Entry<Item, Result>[], patience: Patience): Promise<boolean> {
    this.#options.onBatch(batch.length);
    this.#out.add(batch);
    try {
      const items = batch.map((entry) => entry.item);
      const results = await this.#options.execute(items, patience);
      this.#failuresInARow = 0;
      void settle(batch, results, this.#options.pauseMs !== undefined);
      return true;
    } catch (error) {
      recover(batch, classify(error), this.#recovery);
      return false;
    } finally {
      this.#out.delete(batch);
    }
  }

  #rest(batch: Entry<Item, Result>[]): void {
    const bound = Math.min(REST_MAX_MS, REST_FIRST_MS * 2 ** Math.min(this.#failuresInARow, 10));
    const restMs = bound * (0.5 + this.#options.random() / 2);
    this.#failuresInARow++;
    this.#restUntilMs = this.#options.monotonicMs() + restMs;
    this.#requeue(batch);
  }

  /**
   * A timer counts from the beginning of the loop's turn and so can fire early, by as much as that turn was long: whoever
   * finds the rest not over yet asks to be woken again, or what waits would wait until its deadline.
   */
  #wakeAfter(ms: number): void {
    this.#wake ??= setTimeout(() => {
      this.#wake = undefined;
      this.#schedule();
    }, ms);
  }

  #requeue(batch: Entry<Item, Result>[]): void {
    this.#waiting = batch.concat(this.#waiting);
    this.#schedule();
  }

  #dropExpired(): void {
    const nowMs = this.#options.monotonicMs();
    this.#waiting = alive(this.#waiting, nowMs);
    this.#spare.dropExpired(nowMs);
    const answerDueMs = nowMs - ANSWER_MS;
    for (const batch of this.#out) {
      for (const entry of batch) {
        if (entry.deadlineMs <= answerDueMs) entry.resolve({ kind: 'unavailable', sent: true });
      }
    }
    if (this.depth === 0 && this.#out.size === 0) {
      clearInterval(this.#sweep);
      this.#sweep = undefined;
    }
  }
}
