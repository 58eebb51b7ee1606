import { judgeAnswers } from './answers.js';
import { calibrate } from './calibrate.js';
import { paired, regression, unpaired } from './comparison.js';
import { generatorMs, judgeRun, watchGenerator, type Finding } from './health.js';
import { kpiReport } from './kpi-report.js';
import { load } from './load.js';
import type { BenchPlan, BenchTarget, Progress } from './plan.js';
import type { Slice } from './record.js';
import type { BenchReport, LimitRow } from './report.js';
import { seed } from './seed.js';
import { readServerCpuSeconds } from './server-cpu.js';
import { between, meanOf, readAudited, readServerKpis } from './server-kpis.js';
import { answersOf, block, interleave, loadPlan, MAX_CONNECTIONS, openSide, type Side } from './side.js';
import { judge } from './verdict.js';

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
  const users = target.tokens.length;
  const say = (phase: Progress['phase'], leftMs?: number, slice?: Slice): void =>
    plan.onProgress({ phase, leftMs, slice });
  const sides = [target, ...(versus === undefined ? [] : [versus])].map((one) =>
    openSide(one, plan.rotation === 'offered'),
  );
  try {
    const [ours, theirs] = sides as [Side, Side | undefined];
    // Before tokens are spent: a wrong --admin-url would cost them all.
    if (target.adminUrl !== undefined) await readServerKpis(target.adminUrl);
    say('seeding');
    for (const side of sides) await seed(side);
    say('calibrating');
    const calibration = await calibrate(Math.min(users, MAX_CONNECTIONS), plan.signal);
    for (const side of sides) {
      say('warming up', plan.warmupMs);
      if (plan.warmupMs > 0)
        await load(side.target, side.sessions, loadPlan(side, plan, plan.warmupMs, plan.seed + 1));
    }
    const before = target.adminUrl === undefined ? undefined : await readServerKpis(target.adminUrl);
    const startedAt = new Date().toISOString();
    // One process with its database in it: what it uses is all that is used for it.
    const cpuOf = plan.own ? target.adminUrl : undefined;
    const cpuBefore = cpuOf === undefined ? undefined : await readServerCpuSeconds(cpuOf);
    const stopWatching = watchGenerator();
    const pairs = theirs === undefined ? undefined : await interleave(ours, theirs, plan, say);
    if (theirs === undefined) await block(ours, plan, plan.durationMs, plan.seed, say, plan.durationMs);
    const health = stopWatching();
    const cpuAfter = cpuOf === undefined ? undefined : await readServerCpuSeconds(cpuOf);
    if (target.adminUrl !== undefined) say('counting rows');
    const server =
      target.adminUrl === undefined || before === undefined
        ? undefined
        : between(before, await readAudited(target.adminUrl, plan.signal));

    const { recording, elapsedMs } = ours;
    const latency = recording.latency.summary();
    const perSecond = (recording.successes * 1_000) / elapsedMs;
    const failed = [...recording.errors]
      .filter(([kind]) => !kind.startsWith('HTTP 4'))
      .reduce((sum, [, n]) => sum + n, 0);
    const limits = plan.limits.map(({ name, percentile, maxMs }): LimitRow => {
      const measuredMs =
        percentile === 'mean' ? recording.latency.meanMs : recording.latency.percentileMs(percentile);
      return { name, maxMs, measuredMs, verdict: measuredMs <= maxMs ? 'pass' : 'fail' };
    });
    const offered = plan.mode === 'open' ? Math.round((plan.ratePerSecond * plan.durationMs) / 1_000) : 0;
    const findings: Finding[] = judgeRun(
      {
        mode: plan.mode,
        local: isLocal(target.refreshUrl),
        requestsPerSecond: (recording.requests * 1_000) / elapsedMs,
        nullPerSecond: calibration.perSecond,
        offered,
        sent: recording.refreshes,
        sendLagP99Ms: recording.sendLag.percentileMs(99),
        latencyP50Ms: recording.latency.percentileMs(50),
        latencyP99Ms: recording.latency.percentileMs(99),
        interrupted: plan.signal.aborted,
        rotatedByServer: server?.rotated,
        // A copy of a token that is kept is another success to the server.
        successes: recording.successes + (plan.rotation === 'off' ? recording.duplicates.replayed : 0),
        serverCpuShare:
          cpuBefore === undefined || cpuAfter === undefined
            ? undefined
            : ((cpuAfter - cpuBefore) * 1_000) / elapsedMs,
      },
      health,
    );
    const otherFault = theirs === undefined ? undefined : judgeAnswers(answersOf(theirs, plan, undefined));
    if (otherFault !== undefined) {
      findings.push({
        spoils: 'nothing',
        code: 'other_target',
        sentence: `The other target: ${otherFault.because}`,
      });
    }
    const kpis = kpiReport(
      {
        successes: recording.successes,
        meanMs: recording.latency.meanMs,
        networkMs: recording.service.minMs,
        generatorMs: generatorMs(health, recording.sendLag.percentileMs(99)),
        requests: recording.requests,
        failed,
      },
      server,
    );
    const serverMeanMs = server === undefined ? undefined : meanOf(server);
    const comparison =
      theirs !== undefined && pairs !== undefined && versus !== undefined
        ? paired(versus.refreshUrl.href, theirs, pairs)
        : plan.baseline && unpaired(plan.baseline, recording);
    const judged = judge({
      regression:
        comparison && plan.maxRegressionPercent !== undefined
          ? regression(comparison, plan.maxRegressionPercent, otherFault?.because)
          : undefined,
      kpis,
      limits,
      findings,
      rotation: plan.rotation,
      answers: judgeAnswers(answersOf(ours, plan, serverMeanMs)),
      mode: plan.mode,
      users,
      perSecond,
    });
    const report: BenchReport = {
      ...judged,
      target: { url: target.refreshUrl.href, adminUrl: target.adminUrl, own: plan.own },
      plan: {
        mode: plan.mode,
        users,
        durationMs: plan.durationMs,
        warmupMs: plan.warmupMs,
        ratePerSecond: plan.mode === 'open' ? plan.ratePerSecond : undefined,
        arrivals: plan.mode === 'open' ? plan.arrivals : undefined,
        duplicatesPercent: plan.duplicatesPercent,
        tabs: plan.tabs,
        seed: plan.seed,
      },
      startedAt,
      throughput: {
        perSecond,
        offeredPerSecond: plan.mode === 'open' ? plan.ratePerSecond : undefined,
        elapsedMs,
      },
      latency,
      service: recording.service.summary(),
      sendLag: plan.mode === 'open' ? recording.sendLag.summary() : undefined,
      counts: {
        refreshes: recording.refreshes,
        requests: recording.requests,
        successes: recording.successes,
        rotatedByServer: server?.rotated,
        duplicatesSent: recording.duplicates.sent,
        duplicatesRefused: recording.duplicates.refused,
        duplicatesReplayed: recording.duplicates.replayed,
        forks: recording.forks,
        waitedForSession: recording.waitedForSession,
        backlog: recording.backlog,
        unrotated: recording.unrotated,
        lostSessions: recording.lostSessions,
      },
      errors: Object.fromEntries(recording.errors),
      generator: { ...health, nullPerSecond: calibration.perSecond, nullP50Ms: calibration.p50Ms },
      findings,
      comparison,
      slices: recording.slices,
      curves: {
        latency: recording.latency.curve(),
        ...(plan.mode === 'open' ? { service: recording.service.curve() } : {}),
        ...(theirs === undefined ? {} : { other: theirs.recording.latency.curve() }),
      },
    };
    return { report, hgrm: recording.latency.hgrm() };
  } finally {
    for (const side of sides) await side.target.close();
  }
}

function isLocal({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
