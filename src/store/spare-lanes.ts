import { alive, type Entry } from './group-entry.js';

/**
 * How long a statement waits for a lock. `brief` where some of its items are known to meet one, and the others mustn't wait
 * for it.
 */
export type Patience = 'usual' | 'brief';

export interface SpareLanesOptions {
  readonly lanes: number;
  readonly monotonicMs: () => number;
  readonly random: () => number;
  /** There may be something to send. */
  readonly onWork: () => void;
}

type Group<Item, Result> = Entry<Item, Result>[];

/** A batch of so many is split into single items: about what the largest batch is split into. */
const SPLIT_ONE_BY_ONE = 8;

/** So long, jittered, one that met a lock waits before it is tried again. */
const HOLD_MS = 20;

/**
 * What is sent besides the ordinary batches: pieces of those that failed, and items that meet a lock when they are alone.
 * It is theirs: they wait for it behind the pieces, on lanes that hold up nobody.
 */
export class SpareLanes<Item, Result> {
  readonly #options: SpareLanesOptions;
  #pieces: Group<Item, Result>[] = [];
  #held: Group<Item, Result> = [];
  #busy = 0;
  #busyWithHeld = 0;

  constructor(options: SpareLanesOptions) {
    this.#options = options;
  }

  /** Items that wait here. */
  get depth(): number {
    let depth = this.#held.length;
    for (const piece of this.#pieces) depth += piece.length;
    return depth;
  }

  /**
   * About √n pieces of √n/2, then one by one: a culprit is alone after two rounds, the others are through after one,
   * and where culprits are many no third round finds that a pair has one, too.
   */
  split(batch: Group<Item, Result>): void {
    const size = batch.length > SPLIT_ONE_BY_ONE ? Math.ceil(Math.sqrt(batch.length) / 2) : 1;
    for (let start = 0; start < batch.length; start += size) {
      this.#pieces.push(batch.slice(start, start + size));
    }
    this.#options.onWork();
  }

  /** One that met a lock. */
  hold(alone: Group<Item, Result>): void {
    const { random, onWork } = this.#options;
    setTimeout(
      () => {
        this.#held.push(...alone);
        onWork();
      },
      HOLD_MS * (0.5 + random()),
    );
  }

  /** Not behind the pieces, as one that is held: where all meet taken ids there are always more of those. */
  again(alone: Group<Item, Result>): void {
    this.#pieces.push(alone);
    this.#options.onWork();
  }

  flush(send: (batch: Group<Item, Result>, patience: Patience) => Promise<unknown>): void {
    const { lanes, monotonicMs, onWork } = this.#options;
    while (this.#pieces.length > 0 && this.#busy < lanes) {
      const piece = alive(this.#pieces.shift() ?? [], monotonicMs());
      if (piece.length === 0) continue;
      this.#busy++;
      void send(piece, 'brief').finally(() => {
        this.#busy--;
        onWork();
      });
    }
    // One lane is kept for pieces to come: a held item has it for as long as a lock may be waited for.
    const lanesForHeld = Math.max(1, lanes - 1);
    this.#held = alive(this.#held, monotonicMs());
    while (this.#held.length > 0 && this.#busyWithHeld < lanesForHeld && this.#busy < lanes) {
      const held = this.#held.splice(0, 1);
      this.#busy++;
      this.#busyWithHeld++;
      void send(held, 'usual').finally(() => {
        this.#busy--;
        this.#busyWithHeld--;
        onWork();
      });
    }
  }

  dropExpired(nowMs: number): void {
    this.#pieces = this.#pieces.map((piece) => alive(piece, nowMs)).filter((piece) => piece.length > 0);
    this.#held = alive(this.#held, nowMs);
  }
}
