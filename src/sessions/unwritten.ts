import type { Claim } from '../rotation/ports.js';
import type { Ask } from '../store/database.js';
import type { TokenSchema } from '../store/schema.js';
import type { Families } from './families.js';
import { readMade, type TokenRow } from './rows.js';

/** The part of a claim that was answered and never written (carelink.dead_letters): its token is spent all the same. */
export type Unwritten = Pick<Claim, 'jti' | 'claimedAtUs' | 'startSeconds'> & {
  readonly successor: Pick<Claim['successor'], 'jti' | 'expiresAtSeconds'>;
};

/** What an open row is once the letters were read: `last`, the newest rotation of its session that has no row. */
export interface Tip {
  readonly row: TokenRow;
  readonly last: Unwritten | undefined;
}

/**
 * The open rows that are tips of sessions. A row whose rotation is a letter is spent: if its successor has a row
 * the session goes on there, and else this is the newest row that it has.
 */
export async function tipsOf(
  ask: Ask,
  schema: TokenSchema,
  rows: readonly TokenRow[],
  families: Families,
  letters: readonly Unwritten[],
): Promise<Tip[]> {
  const open = rows.filter((row) => row.open !== undefined);
  if (letters.length === 0) return open.map((row) => ({ row, last: undefined }));
  const byJti = new Map(letters.map((letter) => [letter.jti, letter]));
  const made = await readMade(
    ask,
    schema,
    letters.map(({ successor }) => successor.jti),
  );
  return open.flatMap((row): Tip[] => {
    let last: Unwritten | undefined;
    for (
      let next = byJti.get(row.open?.jti ?? '');
      next !== undefined;
      next = byJti.get(next.successor.jti)
    ) {
      if (last === next || (last !== undefined && next.claimedAtUs < last.claimedAtUs)) break;
      last = next;
      if (!made.has(last.successor.jti)) continue;
      const madeUs = made.get(last.successor.jti);
      if (madeUs !== undefined) families.spent(row, madeUs);
      return [];
    }
    return [{ row, last }];
  });
}
