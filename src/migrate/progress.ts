import type { Blocker } from './blocker.js';

/** One look at a build: a row of pg_stat_progress_create_index, and who is in its way. */
export interface BuildSample {
  readonly atMs: number;
  /** Undefined while the statement waits for its lock on the table, before it has begun. */
  readonly phase: string | undefined;
  readonly blocksTotal: number;
  readonly blocksDone: number;
  readonly tuplesTotal: number;
  readonly tuplesDone: number;
  readonly lockersTotal: number;
  readonly lockersDone: number;
  readonly blockBytes: number;
  readonly blockers: readonly Blocker[];
}

export interface BuildProgress {
  readonly phase: string;
  /** Of the whole build: never falls, and is 100 only when it is over. */
  readonly percent: number;
  readonly bytesPerSecond: number | undefined;
  readonly tuplesPerSecond: number | undefined;
  /** Undefined while it can't be told: in the beginning, and while it waits for others. */
  readonly remainingMs: number | undefined;
  readonly elapsedMs: number;
  /** How long it has been waiting for others without a pause. 0: it works. */
  readonly waitingMs: number;
  readonly blockers: readonly Blocker[];
}

/** What is carried from one sample to the next. */
export interface Tracker {
  readonly startedMs: number;
  readonly last: BuildSample | undefined;
  readonly percent: number;
  readonly waitingSinceMs: number | undefined;
  /** All the waiting before the present one. */
  readonly waitedMs: number;
}

const WAITING_FOR_LOCK = 'waiting for the table';

/**
 * Where in the whole a phase begins and ends, in percent: measured on a two-column index of 1,000,000 rows. The names
 * are those of PostgreSQL's manual, "CREATE INDEX Progress Reporting".
 */
const PHASES: readonly (readonly [name: string, from: number, to: number])[] = [
  ['waiting for writers before build', 0, 0],
  ['building index: scanning table', 0, 45],
  ['building index: sorting live tuples', 45, 55],
  ['building index: loading tuples in tree', 55, 75],
  ['building index', 0, 75],
  ['waiting for writers before validation', 75, 75],
  ['index validation: scanning index', 75, 82],
  ['index validation: sorting tuples', 82, 85],
  ['index validation: scanning table', 85, 98],
  ['waiting for old snapshots', 98, 99],
];

/** Below this an estimate of what remains is a guess. */
const MIN_PERCENT_TO_ESTIMATE = 5;

/** Before the first look. */
export function startTracking(startedMs: number): Tracker {
  return { startedMs, last: undefined, percent: 0, waitingSinceMs: undefined, waitedMs: 0 };
}

/** From what was known and one more look, what is to be told. */
export function advance(tracker: Tracker, sample: BuildSample): [Tracker, BuildProgress] {
  const phase = sample.phase ?? WAITING_FOR_LOCK;
  const percent = Math.max(tracker.percent, percentOf(phase, sample));
  const waiting = phase.startsWith('waiting') || sample.blockers.length > 0;
  const before = tracker.waitingSinceMs;
  const waitingSinceMs = waiting ? (before ?? sample.atMs) : undefined;
  const waitedMs = tracker.waitedMs + (!waiting && before !== undefined ? sample.atMs - before : 0);
  const waitingMs = waitingSinceMs === undefined ? 0 : sample.atMs - waitingSinceMs;
  const elapsedMs = sample.atMs - tracker.startedMs;
  const workedMs = elapsedMs - waitedMs - waitingMs;
  const progress = {
    phase,
    percent,
    ...speedBetween(tracker.last, sample),
    remainingMs:
      waiting || percent < MIN_PERCENT_TO_ESTIMATE ? undefined : (workedMs * (100 - percent)) / percent,
    elapsedMs,
    waitingMs,
    blockers: sample.blockers,
  };
  return [{ startedMs: tracker.startedMs, last: sample, percent, waitingSinceMs, waitedMs }, progress];
}

function percentOf(phase: string, sample: BuildSample): number {
  const [, from, to] = PHASES.find(([name]) => phase.startsWith(name)) ?? ['', 0, 0];
  return from + (to - from) * fractionOf(sample);
}

/** The counters of what the phase doesn't count stand at 0, or at what an earlier phase left. */
function fractionOf({
  blocksTotal,
  blocksDone,
  tuplesTotal,
  tuplesDone,
  lockersTotal,
  lockersDone,
}: BuildSample): number {
  const [total, done] =
    blocksTotal > 0
      ? [blocksTotal, blocksDone]
      : tuplesTotal > 0
        ? [tuplesTotal, tuplesDone]
        : [lockersTotal, lockersDone];
  return total > 0 ? Math.min(1, Math.max(0, done / total)) : 0;
}

function speedBetween(
  last: BuildSample | undefined,
  sample: BuildSample,
): Pick<BuildProgress, 'bytesPerSecond' | 'tuplesPerSecond'> {
  const seconds = last?.phase === sample.phase && last !== undefined ? (sample.atMs - last.atMs) / 1000 : 0;
  const rate = (done: number, before: number): number | undefined =>
    seconds > 0 && done > before ? (done - before) / seconds : undefined;
  const blocksPerSecond = rate(sample.blocksDone, last?.blocksDone ?? 0);
  return {
    bytesPerSecond: blocksPerSecond === undefined ? undefined : blocksPerSecond * sample.blockBytes,
    tuplesPerSecond: rate(sample.tuplesDone, last?.tuplesDone ?? 0),
  };
}
