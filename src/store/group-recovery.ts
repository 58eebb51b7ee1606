import type { Failure } from './errors.js';
import { refuse, type Entry } from './group-entry.js';
import type { SpareLanes } from './spare-lanes.js';

export type ReferenceGone = Extract<Failure, { kind: 'reference_gone' }>;

/** Where the items of a failed statement may go. */
export interface Recovery<Item, Result> {
  readonly spare: SpareLanes<Item, Result>;
  /**
   * The result of an item if the failed statement's missing reference is its own. `alone`: it was the only one in
   * the statement, so the reference can't be another's.
   */
  readonly whenReferenceGone: (item: Item, gone: ReferenceGone, alone: boolean) => Result | undefined;
  /** To the head of the queue. */
  readonly requeue: (batch: Entry<Item, Result>[]) => void;
  /** The same, and nothing is sent for a moment. */
  readonly rest: (batch: Entry<Item, Result>[]) => void;
}

/** Tries of an item whose id is taken: a sequence that is further behind than this needs an operator. */
const ID_TRIES = 2;

/**
 * What a failed statement means for each of its items (rule 3):
 * - not sent, server down, in doubt: back to the head of the queue, and the lane rests a moment. Items are
 *   repeatable: a claim that stands already is recognised by its marker.
 * - contended (somebody holds a lock on one of the rows) or refused: the batch is split and its pieces go over
 *   the spare lanes, without much patience for the lock. What meets it alone waits for it, behind the pieces: so
 *   locked rows, however many, hold up nobody but themselves.
 * - unfit (a table, a column or a right is missing): split as well, and what meets it alone is told at once that it
 *   can't be served now. Nothing of it stands, and waiting would not mend it.
 * - reference gone: the error names the row; its items are told, the rest goes again.
 * - id taken (a sequence is behind its table): split likewise; what meets it alone tries again a few times, for each try
 *   moves the sequence on.
 */
export function recover<Item, Result>(
  batch: Entry<Item, Result>[],
  failure: Failure,
  { spare, whenReferenceGone, requeue, rest }: Recovery<Item, Result>,
): void {
  switch (failure.kind) {
    case 'in_doubt':
      for (const entry of batch) entry.inDoubt = true;
      rest(batch);
      return;
    case 'not_sent':
    case 'server_down':
      rest(batch);
      return;
    case 'contended':
      if (batch.length === 1) spare.hold(batch);
      else spare.split(batch);
      return;
    case 'id_taken': {
      const [alone] = batch;
      if (batch.length > 1) spare.split(batch);
      else if (alone !== undefined && ++alone.idsTaken < ID_TRIES) spare.again(batch);
      else if (alone !== undefined) refuse(alone, failure.error);
      return;
    }
    case 'reference_gone': {
      const others = batch.filter((entry) => {
        const result = whenReferenceGone(entry.item, failure, batch.length === 1);
        if (result !== undefined) entry.resolve({ kind: 'done', result, repeated: entry.inDoubt });
        return result === undefined;
      });
      if (others.length < batch.length) requeue(others);
      else if (batch.length > 1) spare.split(batch);
      else batch[0]?.reject(new Error(`a reference through ${failure.column} is missing`));
      return;
    }
    case 'unfit':
      // Split as well: a trigger of somebody's may refuse one row for the lack of a right.
      if (batch.length > 1) spare.split(batch);
      else batch[0]?.resolve({ kind: 'unavailable', sent: batch[0].inDoubt, cause: failure.error });
      return;
    case 'refused':
      if (batch.length > 1) spare.split(batch);
      else if (batch[0] !== undefined) refuse(batch[0], failure.error);
      return;
  }
}
