import { judgeAnswers } from './answers.js';
import type { Trial } from './capacity.js';
import { MAX_SEND_LAG_MS, watchGenerator } from './health.js';
import { KPI_MEAN_MS } from './kpi-report.js';
import { load } from './load.js';
import type { BenchPlan, Limit } from './plan.js';
import { answersOf, loadPlan, type Side } from './side.js';

/** What a rate is held to where nothing was asked for: the KPI. */
export function capacityLimits({ limits }: BenchPlan): readonly Limit[] {
  return limits.length > 0 ? limits : [{ name: 'mean', percentile: 'mean', maxMs: KPI_MEAN_MS }];
}

/** Offers a rate for the time of the plan, and says whether answers, waits and latencies are as they should be. */
export async function tryRate(side: Side, plan: BenchPlan, ratePerSecond: number): Promise<Trial> {
  const stopWatching = watchGenerator();
  const at = { ...plan, mode: 'open', ratePerSecond } as const;
  const { recording, elapsedMs } = await load(
    side.target,
    side.sessions,
    loadPlan(side, at, plan.durationMs, plan.seed),
  );
  side.answered += recording.successes;
  const { cpuShare } = stopWatching();
  const fault = judgeAnswers(answersOf({ ...side, recording, elapsedMs, endedInWarmUp: 0 }, at, undefined));
  const over = capacityLimits(plan).flatMap(({ name, percentile, maxMs }) => {
    const ms = percentile === 'mean' ? recording.latency.meanMs : recording.latency.percentileMs(percentile);
    return ms <= maxMs ? [] : [`${name} ${ms.toFixed(1)} ms, over ${maxMs} ms`];
  });
  const late = recording.sendLag.percentileMs(99) > MAX_SEND_LAG_MS && cpuShare > BUSY;
  return {
    ratePerSecond,
    reachedPerSecond: (recording.successes * 1_000) / elapsedMs,
    meanMs: recording.latency.meanMs,
    p99Ms: recording.latency.percentileMs(99),
    miss: fault?.because ?? (over.length === 0 ? undefined : over.join(', ')),
    isGenerators: late,
  };
}

/** It spins to keep its times, so that a whole core alone says nothing: it must be late, too. */
const BUSY = 0.9;
