import type { Hint } from '../rotation/ports.js';

/**
 * What the key of a token holds:
 * - `a<row id>:<us>`: active, and made by the claim of that time; the row id where it is known. 0 for the time: somebody
 *   has gone to the database with it, and nobody claims it here any more
 * - `c<us>:<successor>:<owner>`: claimed here at that time, by that request; its rows may not be written yet. Releases
 *   before this one name no successor
 * - `s`: spent, and its rows are written
 */
export const SPENT = 's';

/** Row ids that are sure to fit a bigint: one that doesn't would fail the whole statement it is sent in. */
const ACTIVE = /^a(\d{1,18}):\d{1,16}$/;
const CLAIMED = /^c(\d{1,16}):(?:([0-9a-f]{32}):)?/;
const TIME_US = /^\d{1,16}$/;

export function readHint(value: unknown): Hint | undefined {
  if (typeof value !== 'string') return undefined;
  if (value === SPENT) return { state: 'spent' };
  const claimed = CLAIMED.exec(value);
  if (claimed !== null)
    return { state: 'claimed', claimed: { claimedAtUs: Number(claimed[1]), successorJti: claimed[2] } };
  const rowId = ACTIVE.exec(value)?.[1];
  return rowId === undefined ? undefined : { state: 'active', rowId };
}

export function readTime(value: unknown): number | undefined {
  return typeof value === 'string' && TIME_US.test(value) ? Number(value) : undefined;
}
