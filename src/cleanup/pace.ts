/**
 * How many rows the next batch takes, and how long to rest before it. Pure: from what was measured to what is next.
 *
 * The size follows the rate of the last batches, so that a batch takes the target time whatever the machine is busy
 * with. The pause is a multiple of the batch's own time: the share of time at work is what others feel (measured: at
 * 1 part in 5 the p99 of refreshes beside it about doubles at worst, the size hardly matters).
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
}

/** Some 10 ms on a slow machine: the first batches find the right size, each at most doubling it. */
const FIRST_SIZE = 100;

/** More rows in one statement would cost memory and make one retry expensive. */
const LARGEST = 20_000;

/** Aimed a little lower than the target: the p99 of batch times must stay within three times of it. */
const AIM = 0.8;

/** The weight of the latest batch: half of a change in the machine's speed is followed within two batches. */
const WEIGHT = 0.3;

const LONGEST_PAUSE_MS = 5_000;

export function startPace({ batchSize }: PaceSettings): Pace {
  return { size: batchSize ?? FIRST_SIZE, rowsPerMs: undefined };
}

export function afterBatch(settings: PaceSettings, pace: Pace, done: { rows: number; ms: number }): Pace {
  const rate = done.rows / Math.max(done.ms, 0.1);
  const rowsPerMs = pace.rowsPerMs === undefined ? rate : pace.rowsPerMs + WEIGHT * (rate - pace.rowsPerMs);
  // A sudden slow-down counts at once, a sudden speed-up by and by.
  const wanted = settings.batchSize ?? Math.min(rowsPerMs, rate * 1.5) * settings.targetBatchMs * AIM;
  const size = Math.min(Math.max(wanted, pace.size / 2), pace.size * 2);
  return { size: clamp(Math.round(size)), rowsPerMs };
}

/** A batch that was given up, because of locks or because it took too long, is tried again by halves. */
export function afterRefusal(pace: Pace): Pace {
  return { ...pace, size: clamp(Math.floor(pace.size / 2)) };
}

/** @param slowdown 1: none; see pressure.ts. At nice 0 only what stops a run counts: full speed was asked for. */
export function pauseAfter(settings: PaceSettings, batchMs: number, slowdown: number): number {
  return Math.min(LONGEST_PAUSE_MS, batchMs * settings.nice * slowdown);
}

function clamp(size: number): number {
  return Math.min(LARGEST, Math.max(1, size));
}
