import { Agent } from 'undici';
import { calibrate } from './calibrate.js';
import { searchCapacity, type Capacity } from './capacity.js';
import { conclude } from './conclude.js';
import { watchGenerator } from './health.js';
import { requireOpenFiles } from './open-files.js';
import type { BenchPlan, BenchTarget, Progress } from './plan.js';
import type { Slice } from './record.js';
import type { BenchReport } from './report.js';
import { seed } from './seed.js';
import { readServerCpuSeconds } from './server-cpu.js';
import { between, readAudited, readServerKpis } from './server-kpis.js';
import { block, interleave, MAX_CONNECTIONS, openSide, warmUp, type Side } from './side.js';
import { tryRate } from './trial.js';

export interface BenchResult {
  readonly report: BenchReport;
  /** The latency histogram as HdrHistogram's plotter reads it. */
  readonly hgrm: string;
}

/**
 * Loads a target, or two in turn, and judges what came of it.
 *
 * @throws BenchError where it can't be loaded
 */
export async function runBench(
  target: BenchTarget,
  versus: BenchTarget | undefined,
  plan: BenchPlan,
): Promise<BenchResult> {
  const say = (phase: Progress['phase'], leftMs?: number, slice?: Slice): void =>
    plan.onProgress({ phase, leftMs, slice });
  const connections = Math.min(target.tokens.length, MAX_CONNECTIONS);
  requireOpenFiles(connections, versus === undefined ? 1 : 2);
  const sides = [target, ...(versus === undefined ? [] : [versus])].map((one) => openSide(one, plan));
  const admin = plan.insecure ? new Agent({ connect: { rejectUnauthorized: false } }) : undefined;
  const { adminUrl } = target;
  try {
    const [ours, theirs] = sides as [Side, Side | undefined];
    // Before tokens are spent: a wrong --admin-url would cost them all.
    if (adminUrl !== undefined) await readServerKpis(adminUrl, admin);
    say('seeding');
    for (const side of sides) await seed(side);
    say('calibrating');
    const calibration = await calibrate(connections, plan.signal, calibrationBlockMs(plan.durationMs));
    await warmUp(sides, plan, say);
    const capacity = plan.findCapacity ? await search(ours, plan, say) : undefined;
    const measured = capacity === undefined ? plan : atCapacity(plan, capacity);
    const before = adminUrl === undefined ? undefined : await readServerKpis(adminUrl, admin);
    const startedAt = new Date().toISOString();
    // One process with its database in it: what it uses is all that is used for it.
    const cpuSeconds = async (): Promise<number | undefined> =>
      plan.own && adminUrl !== undefined ? readServerCpuSeconds(adminUrl, admin) : undefined;
    const cpuBefore = await cpuSeconds();
    const stopWatching = watchGenerator();
    const pairs = theirs === undefined ? undefined : await interleave(ours, theirs, measured, say);
    if (theirs === undefined)
      await block(ours, measured, measured.durationMs, measured.seed, say, measured.durationMs);
    const health = stopWatching();
    const cpuAfter = await cpuSeconds();
    if (adminUrl !== undefined) say('counting rows');
    const server =
      adminUrl === undefined || before === undefined
        ? undefined
        : between(before, await readAudited(adminUrl, plan.signal, admin));
    const report = conclude(measured, {
      target, against: versus?.refreshUrl.href, startedAt, ours, theirs, pairs, server, health, calibration, capacity,
      serverCpuSeconds: cpuBefore === undefined || cpuAfter === undefined ? undefined : cpuAfter - cpuBefore,
    }); // prettier-ignore
    return { report, hgrm: ours.recording.latency.hgrm() };
  } finally {
    for (const side of sides) await side.target.close();
    await admin?.close();
  }
}

/** Half a second for a run of three and longer; a short run isn't to be measured for shorter than its generator. */
function calibrationBlockMs(durationMs: number): number {
  return Math.min(500, Math.max(150, durationMs / 6));
}

async function search(
  ours: Side,
  plan: BenchPlan,
  say: (phase: Progress['phase']) => void,
): Promise<Capacity> {
  say('searching');
  return searchCapacity((rate) => tryRate(ours, plan, rate), plan.ratePerSecond, plan.signal);
}

/** Where no rate held the lowest one is measured, and its verdict says why. */
function atCapacity(plan: BenchPlan, { perSecond, trials }: Capacity): BenchPlan {
  const lowest = Math.min(...trials.map(({ ratePerSecond }) => ratePerSecond));
  return { ...plan, mode: 'open', ratePerSecond: perSecond ?? (Number.isFinite(lowest) ? lowest : 1) };
}
