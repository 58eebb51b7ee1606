/** What became of an item. */
export type Settlement<Result> =
  /** `repeated`: it was sent before, and the answer to that never came. */
  | { readonly kind: 'done'; readonly result: Result; readonly repeated: boolean }
  /** `sent`: it was, and its answer never came. `cause`: what the database lacks, in `pg`'s error. */
  | { readonly kind: 'unavailable'; readonly sent: boolean; readonly cause?: unknown };

/** An item of a group queue, and whoever waits for its result. */
export interface Entry<Item, Result> {
  readonly item: Item;
  readonly submittedMs: number;
  readonly deadlineMs: number;
  readonly resolve: (settlement: Settlement<Result>) => void;
  readonly reject: (error: unknown) => void;
  inDoubt: boolean;
  /** How often it met a taken id when it was alone. */
  idsTaken: number;
}

/** Those whose deadline has not passed; the others are told that it has. */
export function alive<Item, Result>(entries: Entry<Item, Result>[], nowMs: number): Entry<Item, Result>[] {
  if (entries.every((entry) => entry.deadlineMs > nowMs)) return entries;
  return entries.filter((entry) => {
    if (entry.deadlineMs > nowMs) return true;
    entry.resolve({ kind: 'unavailable', sent: entry.inDoubt });
    return false;
  });
}

/** One that was sent before without an answer may stand for all that its repetition was refused. */
export function refuse<Item, Result>(entry: Entry<Item, Result>, error: unknown): void {
  if (entry.inDoubt) entry.resolve({ kind: 'unavailable', sent: true });
  else entry.reject(error);
}

/**
 * Answers where others go first are given so many a turn of the event loop. Twenty log-outs that are answered in one go come
 * again in one go, and a refresh among them waits for all of them, twice.
 */
const SETTLED_A_TURN = 2;

/** Hands a statement's results to those that wait: at once, unless others go first. */
export async function settle<Item, Result>(
  batch: readonly Entry<Item, Result>[],
  results: readonly Result[],
  othersFirst: boolean,
): Promise<void> {
  const aTurn = othersFirst ? SETTLED_A_TURN : Infinity;
  for (const [index, entry] of batch.entries()) {
    if (index > 0 && index % aTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    const result = results[index];
    if (result === undefined) entry.reject(new Error('a statement returned no result for one of its items'));
    else entry.resolve({ kind: 'done', result, repeated: entry.inDoubt });
  }
}
