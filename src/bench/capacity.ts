/** One rate that was tried. */
export interface Trial {
  readonly ratePerSecond: number;
  readonly reachedPerSecond: number;
  readonly meanMs: number;
  readonly p99Ms: number;
  /** Why it is too much; undefined: all limits hold. */
  readonly miss: string | undefined;
  /** It may be the generator that could not. */
  readonly isGenerators: boolean;
}

export interface Capacity {
  /** The highest rate that held; undefined: none did. */
  readonly perSecond: number | undefined;
  /** What the next higher rate failed by. `most`: no rate that bench offers was too much. */
  readonly bound: 'target' | 'generator' | 'most';
  readonly trials: readonly Trial[];
}

/** Two rates that are so near are one: runs differ by as much. */
const NEAR = 1.1;
/** Doubling from 1/s to 100,000/s are 17, and halving the gap down to a tenth are 4. */
const MAX_TRIALS = 22;
const [LOWEST, HIGHEST] = [1, 100_000];

/** Doubles the rate until a limit is missed, or halves it until all hold, then closes in on the edge. */
export async function searchCapacity(
  attempt: (ratePerSecond: number) => Promise<Trial>,
  startPerSecond: number,
  signal: AbortSignal,
): Promise<Capacity> {
  const trials: Trial[] = [];
  let holds: Trial | undefined;
  let misses: Trial | undefined;
  for (
    let rate = Math.min(HIGHEST, Math.max(LOWEST, startPerSecond));
    trials.length < MAX_TRIALS && !signal.aborted;
  ) {
    const trial = await attempt(rate);
    trials.push(trial);
    if (trial.miss === undefined) holds = trial;
    else misses = trial;
    const next = nextRate(holds?.ratePerSecond, misses?.ratePerSecond);
    if (next === undefined) break;
    rate = next;
  }
  const bound = misses === undefined ? 'most' : misses.isGenerators ? 'generator' : 'target';
  return { perSecond: holds?.ratePerSecond, bound, trials };
}

function nextRate(holds: number | undefined, misses: number | undefined): number | undefined {
  if (holds === undefined)
    return misses === undefined || misses <= LOWEST ? undefined : Math.max(LOWEST, misses / 2);
  if (misses === undefined) return holds >= HIGHEST ? undefined : Math.min(HIGHEST, holds * 2);
  return misses / holds <= NEAR ? undefined : Math.round(Math.sqrt(holds * misses) * 10) / 10;
}
