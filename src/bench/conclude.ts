import { meaningOf } from './answer-words.js';
import { judgeAnswers } from './answers.js';
import type { Calibration } from './calibrate.js';
import { capacityLimits } from './trial.js';
import type { Capacity } from './capacity.js';
import { findingsOf, paired, regression, unpaired } from './comparison.js';
import { generatorMs, judgeRun, type Finding, type GeneratorHealth } from './health.js';
import { kpiReport } from './kpi-report.js';
import type { BenchPlan, BenchTarget } from './plan.js';
import type { Recording } from './record.js';
import type { BenchReport, LeftBehind, LimitRow } from './report.js';
import { meanOf, type ServerKpis } from './server-kpis.js';
import { answersOf, isGoing, type Block, type Side } from './side.js';
import { judge } from './verdict.js';

/** More is no accident, as with the answers. */
const MAX_OWN_SHARE = 0.01;

/** All that was measured. */
export interface Measured {
  readonly target: BenchTarget;
  /** The other target's URL. */
  readonly against: string | undefined;
  readonly startedAt: string;
  readonly ours: Side;
  readonly theirs: Side | undefined;
  readonly pairs: readonly (readonly [Block, Block])[] | undefined;
  /** What `/kpis` counted in the measured time. */
  readonly server: ServerKpis | undefined;
  readonly serverCpuSeconds: number | undefined;
  readonly health: GeneratorHealth;
  readonly calibration: Calibration;
  readonly capacity: Capacity | undefined;
}

/** The report, with the verdict. Pure. */
export function conclude(plan: BenchPlan, measured: Measured): BenchReport {
  const { target, ours, theirs, server, health, calibration, capacity } = measured;
  const { recording, elapsedMs } = ours;
  const users = target.tokens.length;
  const open = plan.mode === 'open';
  const latency = recording.latency.summary();
  const perSecond = (recording.successes * 1_000) / elapsedMs;
  const comparison = comparisonOf(plan, measured, perSecond);
  const otherFault = theirs === undefined ? undefined : judgeAnswers(answersOf(theirs, plan, undefined));
  const findings: Finding[] = [
    ...judgeRun(factsOf(plan, measured), health),
    ...ownFaults(recording),
    ...(otherFault === undefined ? [] : [finding('other_target', `The other target: ${otherFault.because}`)]),
    ...(comparison === undefined ? [] : findingsOf(comparison, plan.maxRegressionPercent)),
  ];
  const kpis = kpiReport(
    {
      successes: recording.successes,
      meanMs: recording.latency.meanMs,
      networkMs: recording.service.minMs,
      generatorMs: generatorMs(health, recording.sendLag.percentileMs(99)),
      requests: recording.requests,
      failed: failedIn(recording),
    },
    server,
  );
  const judged = judge({
    asked: plan.kpis,
    regression:
      comparison && plan.maxRegressionPercent !== undefined
        ? regression(comparison, plan.maxRegressionPercent, otherFault?.because)
        : undefined,
    kpis,
    limits: limitRows(plan, recording),
    findings,
    rotation: plan.rotation,
    answers: judgeAnswers(answersOf(ours, plan, server === undefined ? undefined : meanOf(server))),
    mode: plan.mode,
    users,
    perSecond,
  });
  return {
    ...judged,
    because:
      capacity === undefined
        ? judged.because
        : `${capacityText(capacity, plan, judged.verdict === 'fail')} ${judged.because}`,
    target: { url: target.refreshUrl.href, adminUrl: target.adminUrl, own: plan.own },
    plan: {
      mode: plan.mode,
      users,
      durationMs: plan.durationMs,
      warmupMs: plan.warmupMs,
      ratePerSecond: open ? plan.ratePerSecond : undefined,
      arrivals: open ? plan.arrivals : undefined,
      duplicatesPercent: plan.duplicatesPercent,
      tabs: plan.tabs,
      seed: plan.seed,
      rotation: plan.rotation,
      profile: plan.profile,
    },
    startedAt: measured.startedAt,
    throughput: {
      perSecond,
      offeredPerSecond: open ? plan.ratePerSecond : undefined,
      elapsedMs,
    },
    latency,
    service: recording.service.summary(),
    sendLag: open ? recording.sendLag.summary() : undefined,
    counts: countsOf(recording, server),
    leftBehind: plan.own ? undefined : leftBehind(theirs === undefined ? [ours] : [ours, theirs]),
    errors: Object.fromEntries(recording.errors),
    generator: { ...health, nullPerSecond: calibration.perSecond, nullP50Ms: calibration.p50Ms },
    findings,
    comparison,
    capacity,
    slices: recording.slices,
    curves: {
      latency: recording.latency.curve(),
      ...(open ? { service: recording.service.curve() } : {}),
      ...(theirs === undefined ? {} : { other: theirs.recording.latency.curve() }),
    },
  };
}

function comparisonOf(plan: BenchPlan, { ours, theirs, pairs, against }: Measured, perSecond: number) {
  if (theirs !== undefined && pairs !== undefined && against !== undefined)
    return paired(against, theirs, pairs);
  return plan.baseline && unpaired(plan.baseline, perSecond, ours.recording.latency.summary());
}

function factsOf(plan: BenchPlan, measured: Measured) {
  const { target, ours, server, calibration, serverCpuSeconds } = measured;
  const { recording, elapsedMs } = ours;
  return {
    mode: plan.mode,
    local: isLocal(target.refreshUrl),
    requestsPerSecond: (recording.requests * 1_000) / elapsedMs,
    nullPerSecond: calibration.perSecond,
    // As they were drawn: of a hundred Poisson arrivals ten more or fewer come by chance.
    offered: recording.due,
    sent: recording.refreshes,
    sendLagP99Ms: recording.sendLag.percentileMs(99),
    latencyP50Ms: recording.latency.percentileMs(50),
    latencyP99Ms: recording.latency.percentileMs(99),
    interrupted: plan.signal.aborted,
    rotatedByServer: server?.rotated,
    // A copy of a token that is kept is another success to the server.
    successes: recording.successes + (plan.rotation === 'off' ? recording.duplicates.replayed : 0),
    serverCpuShare: serverCpuSeconds === undefined ? undefined : (serverCpuSeconds * 1_000) / elapsedMs,
  };
}

function limitRows({ limits }: BenchPlan, { latency }: Recording): LimitRow[] {
  return limits.map(({ name, percentile, maxMs }) => {
    const measuredMs = percentile === 'mean' ? latency.meanMs : latency.percentileMs(percentile);
    return { name, maxMs, measuredMs, verdict: measuredMs <= maxMs ? 'pass' : 'fail' };
  });
}

function countsOf(recording: Recording, server: ServerKpis | undefined): BenchReport['counts'] {
  return {
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
  };
}

function leftBehind(sides: readonly Side[]): LeftBehind {
  const sum = (of: (side: Side) => number): number => sides.reduce((all, side) => all + of(side), 0);
  return {
    rowsAtMost: sum(({ answered }) => answered),
    liveTokens: sum(({ sessions }) => sessions.filter(isGoing).length),
  };
}

/** Those in 4xx are judged with the answers. */
function failedIn({ errors }: Recording): number {
  return [...errors].filter(([kind]) => !kind.startsWith('HTTP 4')).reduce((sum, [, n]) => sum + n, 0);
}

/** The first sentence of a run with --find-capacity. */
function capacityText({ perSecond, bound, trials }: Capacity, plan: BenchPlan, failed: boolean): string {
  const limits = capacityLimits(plan)
    .map(({ name, maxMs }) => `${name} within ${maxMs} ms`)
    .join(', ');
  if (perSecond === undefined) return `No rate that was tried held (${limits}).`;
  if (failed) return `${perSecond}/s held in the search (${limits}), and not when they were measured again.`;
  const found = `Capacity: ${perSecond} refreshes/s (${limits}).`;
  if (bound === 'most') return `${found} No rate was too much.`;
  if (bound === 'generator') return `${found} It may be more: beyond, it was the generator that came late.`;
  const over = trials
    .filter(({ miss }) => miss !== undefined)
    .sort((a, b) => a.ratePerSecond - b.ratePerSecond)[0];
  return over === undefined
    ? found
    : `${found} ${over.ratePerSecond}/s are too much: ${sentence(over.miss ?? '')}`;
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`;
}

/** Requests that this machine could not send: no word about the target. */
function ownFaults({ errors, requests }: Recording): Finding[] {
  return [...errors].flatMap(([kind, count]) => {
    if (meaningOf(kind).code !== 'OPEN_FILES' || count <= MAX_OWN_SHARE * requests) return [];
    const sentence = `${count} of ${requests} requests were not sent (${kind}): ${meaningOf(kind).words}`;
    return [{ spoils: 'all', code: 'not_sent', sentence } as const];
  });
}

function finding(code: string, text: string): Finding {
  return { spoils: 'nothing', code, sentence: text };
}

function isLocal({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
