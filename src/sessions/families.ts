import type { TokenRow } from './rows.js';

/**
 * A user's rows as families. A rotation of ours leaves a mark: its old row is blacklisted at the very microsecond in which
 * its successor's row was made (design rule 2). So who followed whom is told without any key. Django draws its successors,
 * and its rotations leave no such mark: there a new family begins.
 */
export class Families {
  readonly #spentAt = new Map<number, TokenRow | 'several'>();

  constructor(rows: readonly TokenRow[]) {
    for (const row of rows) if (row.spentUs !== undefined) this.#put(row.spentUs, row);
  }

  /** Says what the rows can't: this one was rotated at that time, though it isn't blacklisted. */
  spent(row: TokenRow, atUs: number): void {
    this.#put(atUs, row);
  }

  /** The row that this one came of. Two that were spent in one microsecond are neither's for certain. */
  before({ createdUs }: TokenRow): TokenRow | undefined {
    const row = createdUs === undefined ? undefined : this.#spentAt.get(createdUs);
    if (row === undefined || row === 'several') return undefined;
    // Times only go back, so that no rows can lead in a circle.
    return row.createdUs === undefined || row.createdUs < (createdUs ?? 0) ? row : undefined;
  }

  /** The first row of the family that is still there. */
  first(row: TokenRow): TokenRow {
    let at = row;
    for (let one = this.before(at); one !== undefined; one = this.before(at)) at = one;
    return at;
  }

  #put(atUs: number, row: TokenRow): void {
    this.#spentAt.set(atUs, this.#spentAt.has(atUs) ? 'several' : row);
  }
}
