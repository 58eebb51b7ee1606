/**
 * How many rows the next batch takes, and how long to rest before it. Pure: from what was measured to what is next.
 *
 * The size follows the rate of the last batches, so that the work of a batch takes the target time whatever the machine is
 * busy with. The pause is a multiple of that time: the share of time at work is what others feel (measured: at 1 part in 5
 * the p99 of refreshes beside it about doubles at worst, the size hardly matters).
 *
 * Work is what rows cost the database, by its own clock. Round trips are none: with the database 5 ms away they alone take
 * 25 ms a batch, and batches that were steered by the whole time shrank to one row. What a trip takes can't be told from the
 * whole either: it varies by more than rows cost.
 */
export interface PaceSettings {
  readonly targetBatchMs: number;
  /** Pause for each millisecond of work; 0: full speed. */
  readonly nice: number;
  /** A number of rows that is asked for; undefined: steered. */
  readonly batchSize: number | undefined;
}

export interface Pace {
  readonly size: number;
  /** Smoothed; undefined before the first batch. */
  readonly rowsPerMs: number | undefined;
  /** Of the last batch: what its rows cost the database. */
  readonly workMs: number;
}

/** What a batch took. */
export interface Took {
  readonly ms: number;
  /** Of that, what the database worked at its rows. */
  readonly workedMs: number;
}

/** Some 10 ms on a slow machine: the first batches find the right size, each at most doubling it. */
const FIRST_SIZE = 100;

/** More rows in one statement would cost memory and make one retry expensive. */
const LARGEST = 20_000;

/** Aimed a little lower than the target: the p99 of batch times must stay within three times of it. */
const AIM = 0.8;

/** The weight of the latest batch: half of a change in the machine's speed is followed within two batches. */
const WEIGHT = 0.3;

/** Of a batch at least this share is work: a clock that is set back meanwhile would tell none. */
const LEAST_WORK = 0.02;

const LONGEST_PAUSE_MS = 5_000;

export function startPace({ batchSize }: PaceSettings): Pace {
  return { size: batchSize ?? FIRST_SIZE, rowsPerMs: undefined, workMs: 0 };
}

export function afterBatch(settings: PaceSettings, pace: Pace, rows: number, took: Took): Pace {
  const workMs = workOf(took);
  const rate = rows / Math.max(workMs, 0.1);
  const rowsPerMs = pace.rowsPerMs === undefined ? rate : pace.rowsPerMs + WEIGHT * (rate - pace.rowsPerMs);
  // A sudden slow-down counts at once, a sudden speed-up by and by.
  const wanted = sizeFor(settings, Math.min(rowsPerMs, rate * 1.5));
  const size = Math.min(Math.max(wanted, pace.size / 2), pace.size * 2);
  return { size: clamp(Math.round(size)), rowsPerMs, workMs };
}

/** Never more than the whole: a clock can be set forward, too. */
export function workOf({ ms, workedMs }: Took): number {
  return Math.min(ms, Math.max(workedMs, ms * LEAST_WORK));
}

/** A batch that was given up, because of locks or because it took too long, is tried again by halves. */
export function afterRefusal(pace: Pace): Pace {
  return { ...pace, size: clamp(Math.floor(pace.size / 2)) };
}

/**
 * Round trips are rest, too.
 *
 * @param tookMs the last batch, with its round trips
 * @param slowdown 1: none; see pressure.ts. At nice 0 only what stops a run counts: full speed was asked for.
 */
export function pauseAfter(
  settings: PaceSettings,
  { workMs }: Pace,
  tookMs: number,
  slowdown: number,
): number {
  const restMs = workMs * settings.nice * slowdown;
  return Math.min(LONGEST_PAUSE_MS, Math.max(0, restMs - Math.max(0, tookMs - workMs)));
}

/** How long so many rows take at this pace, in ms, where each costs `rowMs` and a batch so many trips. */
export function estimate(
  settings: PaceSettings,
  rows: number,
  { rowMs, tripMs, trips }: { readonly rowMs: number; readonly tripMs: number; readonly trips: number },
): number {
  const size = Math.min(rows, clamp(Math.round(sizeFor(settings, 1 / rowMs))));
  const workMs = size * rowMs;
  const tookMs = workMs + trips * tripMs;
  const pace = { ...startPace(settings), workMs };
  return (rows / size) * (tookMs + pauseAfter(settings, pace, tookMs, 1));
}

function sizeFor({ batchSize, targetBatchMs }: PaceSettings, rowsPerMs: number): number {
  return batchSize ?? rowsPerMs * targetBatchMs * AIM;
}

function clamp(size: number): number {
  return Math.min(LARGEST, Math.max(1, size));
}
