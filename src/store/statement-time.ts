/** A statement of so few items costs about what a statement costs by itself. */
export const FEW_ITEMS = 8;

/** The weight of the newest statement: a database that turns slow is known after three. */
const NEWEST = 0.3;

/** How old the knowledge of small statements may get. It costs a lane the time of one statement, so at most 1 in 40. */
const STALE_MS = 2_000;
const STALE_STATEMENTS = 40;

interface Mean {
  items: number;
  ms: number;
}

/**
 * What statements cost: so much by itself, and so much for each item in it.
 *
 * The two must be told apart. A slow commit costs the same for 1 item as for 200, so more waiting items are no
 * overload: the next statement takes them all. A slow row costs 200 times as much for 200: there waiting items add up.
 * So small statements and larger ones are averaged apart, and a line is drawn through both.
 */
export class StatementTime {
  readonly #few: Mean = { items: 0, ms: 0 };
  readonly #many: Mean = { items: 0, ms: 0 };
  #fewAtMs = -Infinity;

  observe(items: number, ms: number, nowMs: number): void {
    const mean = items <= FEW_ITEMS ? this.#few : this.#many;
    const weight = mean.items === 0 ? 1 : NEWEST;
    mean.items += weight * (items - mean.items);
    mean.ms += weight * (ms - mean.ms);
    if (mean === this.#few) this.#fewAtMs = nowMs;
  }

  /** Milliseconds that each item adds; 0: not known, or next to nothing. */
  get perItemMs(): number {
    const [few, many] = [this.#few, this.#many];
    if (many.items === 0) return 0;
    if (few.items === 0) return many.ms / many.items;
    return Math.max(0, (many.ms - few.ms) / (many.items - few.items));
  }

  /** Milliseconds of a statement by itself; 0: not known. */
  get fixedMs(): number {
    const mean = this.#few.items > 0 ? this.#few : this.#many;
    return Math.max(0, mean.ms - this.perItemMs * mean.items);
  }

  /** How many items larger statements have. */
  get items(): number {
    return this.#many.items;
  }

  of(items: number): number {
    return this.fixedMs + this.perItemMs * items;
  }

  /** The next statement should be small: nothing is known of small ones, or was true too long ago. */
  wantsFew(nowMs: number): boolean {
    return nowMs - this.#fewAtMs > Math.max(STALE_MS, STALE_STATEMENTS * this.fixedMs);
  }
}
