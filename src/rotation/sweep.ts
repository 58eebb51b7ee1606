import { setTimeout as sleep } from 'node:timers/promises';
import type { Revoking } from './revocation-ports.js';
import type { WalkTime } from './walk-time.js';

/** Looked at one by one this is 2 ms of a core: fewer are not worth another question. */
const FEW = 256;

/**
 * A user's row costs a third, or less, of a token that is found by its id. So where the user has more rows than that many
 * times those that were passed, looking at each of these is no dearer.
 */
const ROWS_A_TOKEN = 3;

/** A row that was open and is lost to somebody else was claimed at this moment: what came of it stands in the next look. */
const MAX_LOOKS = 5;

/**
 * Tokens that are looked at in one statement: 7 ms of a core, nearly all of it reading. After each a pause as long, at most so
 * long (ms): refreshes go first.
 */
const SLICE = 1_024;
const LONGEST_PAUSE_MS = 10;

export interface Passed {
  /** Descendants of one token, in order; not all of them need to stand. */
  readonly jtis: readonly string[];
  readonly userKey: string | undefined;
  /** One that stood before all of them. Undefined: none was seen. */
  readonly witness: string | undefined;
}

interface Sweeping {
  readonly revocations: Revoking;
  readonly monotonicMs: () => number;
}

/**
 * Closes what a walk passed and is open; as a rule nothing is. A failover that lost commits may have made rows live again,
 * and Django would accept them.
 *
 * The user's rows are asked for, if there are not many more than those: Django keeps them together by an index. If that user is
 * who the first of them belongs to, all do: where a user is deleted, Django takes it off all the rows of that moment.
 *
 * @param onClosed called with how many of them are closed for certain, from the first on
 * @returns how many rows were open
 * @throws GivenUp, StoreUnavailableError
 */
export async function sweep(
  context: Sweeping,
  time: WalkTime,
  passed: Passed,
  onClosed: (tokens: number) => void,
): Promise<number> {
  const { closed, done } = await sweepByUser(context, time, passed);
  if (!done) return closed + (await sweepOneByOne(context, time, passed.jtis, onClosed));
  onClosed(passed.jtis.length);
  return closed;
}

/** `done` false: it can't be done that way, or not all of it. */
async function sweepByUser(
  { revocations }: Sweeping,
  time: WalkTime,
  { jtis, userKey, witness }: Passed,
): Promise<{ readonly closed: number; readonly done: boolean }> {
  if (jtis.length <= FEW || userKey === undefined || witness === undefined) return { closed: 0, done: false };
  const mostRows = ROWS_A_TOKEN * jtis.length;
  let closed = 0;
  for (let looks = 0; looks < MAX_LOOKS; looks++) {
    const open = await time.ask((deadlineMs) =>
      revocations.openRowsOf({ userKey, witness, mostRows }, deadlineMs),
    );
    if (open === undefined) break;
    const ids = new Map(open.map(({ jti, id }) => [jti, id]));
    const ours = open.length === 0 ? [] : jtis.flatMap((jti) => ids.get(jti) ?? []);
    if (ours.length === 0) return { closed, done: true };
    const { won, perhaps } = await time.ask((deadlineMs) => revocations.blacklistRows(ours, deadlineMs));
    closed += perhaps ? Math.max(1, won.size) : won.size;
    if (won.size === ours.length) return { closed, done: true };
  }
  return { closed, done: false };
}

async function sweepOneByOne(
  { revocations, monotonicMs }: Sweeping,
  time: WalkTime,
  jtis: readonly string[],
  onClosed: (tokens: number) => void,
): Promise<number> {
  let closed = 0;
  for (let start = 0; start < jtis.length; start += SLICE) {
    const some = jtis.slice(start, start + SLICE);
    const beganMs = monotonicMs();
    closed += await time.ask((deadlineMs) => revocations.blacklistOpen(some, deadlineMs));
    onClosed(Math.min(start + SLICE, jtis.length));
    const tookMs = monotonicMs() - beganMs;
    if (start + SLICE < jtis.length) await sleep(Math.min(tookMs, LONGEST_PAUSE_MS));
  }
  return closed;
}
