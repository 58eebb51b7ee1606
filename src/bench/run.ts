import type { Baseline } from './baseline.js';
import { pairedRatio, unpairedRatio } from './bootstrap.js';
import { calibrate } from './calibrate.js';
import { BenchError } from './error.js';
import { judgeRun, watchGenerator } from './health.js';
import { kpiReport } from './kpi-report.js';
import { load, type LoadPlan } from './load.js';
import { Recording, type Slice } from './record.js';
import { seeded } from './random.js';
import type { BenchReport, Comparison, LimitRow } from './report.js';
import { between, readAudited, readServerKpis } from './server-kpis.js';
import type { Session } from './sessions.js';
import { openTarget, type Answer, type Target } from './target.js';
import { judge } from './verdict.js';

export interface BenchTarget {
  readonly refreshUrl: URL;
  /** Where `/kpis` is; undefined: a server that has none, or whose is not known. */
  readonly adminUrl: string | undefined;
  readonly tokens: readonly string[];
  /** A new token of the user of this number, for one whose chain was refused; undefined: there are none. */
  readonly reissue: (() => string) | undefined;
}

export interface BenchPlan {
  readonly mode: 'closed' | 'open';
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly ratePerSecond: number;
  readonly arrivals: 'constant' | 'poisson';
  readonly duplicatesPercent: number;
  readonly tabs: number;
  readonly seed: number;
  readonly own: boolean;
  readonly limits: readonly {
    readonly name: string;
    readonly percentile: number | 'mean';
    readonly maxMs: number;
  }[];
  readonly baseline: Baseline | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

export interface Progress {
  readonly phase: 'calibrating' | 'seeding' | 'warming up' | 'measuring' | 'counting rows';
  readonly leftMs: number | undefined;
  readonly slice: Slice | undefined;
}

export interface BenchResult {
  readonly report: BenchReport;
  /** The latency histogram as HdrHistogram's plotter reads it. */
  readonly hgrm: string;
}

/** Connections at most: an open loop may have every session in flight. */
const MAX_CONNECTIONS = 2_000;

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
  say('calibrating');
  const calibration = await calibrate(Math.min(users, MAX_CONNECTIONS), plan.signal);
  const sides = [target, ...(versus === undefined ? [] : [versus])].map((one) => openSide(one));
  try {
    const [ours, theirs] = sides as [Side, Side | undefined];
    say('seeding');
    for (const side of sides) await seed(side);
    for (const side of sides) {
      say('warming up', plan.warmupMs);
      if (plan.warmupMs > 0)
        await load(side.target, side.sessions, loadPlan(side, plan, plan.warmupMs, plan.seed + 1));
    }
    const before = target.adminUrl === undefined ? undefined : await readServerKpis(target.adminUrl);
    const startedAt = new Date().toISOString();
    const stopWatching = watchGenerator();
    const pairs = theirs === undefined ? undefined : await interleave(ours, theirs, plan, say);
    if (theirs === undefined) await block(ours, plan, plan.durationMs, plan.seed, say, plan.durationMs);
    const health = stopWatching();
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
    const kpis = kpiReport(
      {
        successes: recording.successes,
        meanMs: recording.service.meanMs,
        requests: recording.requests,
        failed,
      },
      server,
    );
    const limits = plan.limits.map(({ name, percentile, maxMs }): LimitRow => {
      const measuredMs =
        percentile === 'mean' ? recording.latency.meanMs : recording.latency.percentileMs(percentile);
      return { name, maxMs, measuredMs, verdict: measuredMs <= maxMs ? 'pass' : 'fail' };
    });
    const offered = plan.mode === 'open' ? Math.round((plan.ratePerSecond * plan.durationMs) / 1_000) : 0;
    const findings = judgeRun(
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
        successes: recording.successes,
      },
      health,
    );
    const judged = judge({
      kpis,
      limits,
      findings,
      forks: recording.forks,
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
      kpis,
      limits,
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
        lostSessions: recording.lostSessions,
      },
      errors: Object.fromEntries(recording.errors),
      generator: { ...health, nullPerSecond: calibration.perSecond, nullP50Ms: calibration.p50Ms },
      findings,
      comparison:
        theirs !== undefined && pairs !== undefined && versus !== undefined
          ? paired(versus.refreshUrl.href, theirs, pairs, plan.seed)
          : plan.baseline === undefined
            ? undefined
            : unpaired(plan.baseline, recording, plan.seed),
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

interface Side {
  readonly target: Target;
  readonly url: URL;
  readonly sessions: Session[];
  readonly reissue: (() => string) | undefined;
  readonly recording: Recording;
  elapsedMs: number;
}

function openSide({ refreshUrl, tokens, reissue }: BenchTarget): Side {
  return {
    target: openTarget(refreshUrl, Math.min(tokens.length, MAX_CONNECTIONS)),
    url: refreshUrl,
    sessions: tokens.map((token, lane) => ({ token, lane })),
    reissue,
    recording: new Recording(),
    elapsedMs: 0,
  };
}

function loadPlan(side: Side, plan: BenchPlan, durationMs: number, seed: number): LoadPlan {
  const { mode, ratePerSecond, arrivals, tabs, signal } = plan;
  const duplicates = plan.duplicatesPercent / 100;
  return { mode, ratePerSecond, arrivals, tabs, signal, duplicates, durationMs, seed, reissue: side.reissue };
}

async function block(
  side: Side,
  plan: BenchPlan,
  durationMs: number,
  seed: number,
  say: (phase: 'measuring', leftMs: number, slice: Slice) => void,
  leftMs: number,
): Promise<{ readonly perSecond: number; readonly meanMs: number; readonly p99Ms: number }> {
  const onSlice = (slice: Slice): void => say('measuring', Math.max(0, leftMs - slice.atMs), slice);
  const { recording, elapsedMs } = await load(side.target, side.sessions, {
    ...loadPlan(side, plan, durationMs, seed),
    onSlice,
  });
  side.recording.absorb(recording);
  side.elapsedMs += elapsedMs;
  return {
    perSecond: (recording.successes * 1_000) / elapsedMs,
    meanMs: recording.latency.meanMs,
    p99Ms: recording.latency.percentileMs(99),
  };
}

type Block = Awaited<ReturnType<typeof block>>;

/** A block is long enough for a p99, and there are enough of them for an interval. */
const BLOCK_MS = 1_000;
const MIN_PAIRS = 6;
const MAX_PAIRS = 30;

/** Both targets in turn, the order of each pair drawn: a slow moment of the machine falls on either as often. */
async function interleave(
  ours: Side,
  theirs: Side,
  plan: BenchPlan,
  say: (phase: 'measuring', leftMs: number, slice: Slice) => void,
): Promise<(readonly [Block, Block])[]> {
  const count = Math.min(MAX_PAIRS, Math.max(MIN_PAIRS, Math.round(plan.durationMs / BLOCK_MS)));
  const blockMs = plan.durationMs / count;
  const random = seeded(plan.seed);
  const pairs: (readonly [Block, Block])[] = [];
  for (let n = 0; n < count && !plan.signal.aborted; n++) {
    const leftMs = 2 * (plan.durationMs - n * blockMs);
    const run = (side: Side): Promise<Block> => block(side, plan, blockMs, plan.seed + 2 + n, say, leftMs);
    if (random() < 0.5) {
      const first = await run(ours);
      pairs.push([first, await run(theirs)]);
    } else {
      const first = await run(theirs);
      pairs.push([await run(ours), first]);
    }
  }
  return pairs;
}

function paired(
  against: string,
  { recording, elapsedMs }: Side,
  pairs: readonly (readonly [Block, Block])[],
  seed: number,
): Comparison {
  const ratio = (key: keyof Block) =>
    pairedRatio(
      pairs.map(([a, b]) => [a[key], b[key]]),
      seeded(seed),
    );
  return {
    against,
    kind: 'paired',
    pairs: pairs.length,
    other: {
      perSecond: (recording.successes * 1_000) / elapsedMs,
      latency: recording.latency.summary(),
      errors: Object.fromEntries(recording.errors),
    },
    rate: ratio('perSecond'),
    mean: ratio('meanMs'),
    p99: ratio('p99Ms'),
  };
}

function unpaired(baseline: Baseline, recording: Recording, seed: number): Comparison {
  type Part = Baseline['slices'][number];
  const ratio = (of: (slice: Part) => number) => {
    const full = (slices: readonly Part[]) => slices.filter(({ successes }) => successes > 0).map(of);
    return unpairedRatio(full(recording.slices), full(baseline.slices), seeded(seed));
  };
  const { file, perSecond, latency, errors, slices } = baseline;
  return {
    against: file,
    kind: 'unpaired',
    pairs: Math.min(recording.slices.length, slices.length),
    other: { perSecond, latency, errors },
    rate: ratio((slice) => (slice.successes * 1_000) / slice.durationMs),
    mean: ratio((slice) => slice.meanMs),
    p99: ratio((slice) => slice.p99Ms),
  };
}

/** Few at a time: a first refresh has to make its row. */
const SEED_AT_ONCE = 20;

/** Every session refreshes once: the tokens are good, their rows exist, and the server has seen them. */
async function seed({ target, sessions, url }: Side): Promise<void> {
  const refused = new Map<string, number>();
  let at = 0;
  const worker = async (): Promise<void> => {
    for (let session = sessions[at++]; session !== undefined; session = sessions[at++]) {
      const { token, lane } = session;
      const answer = await new Promise<Answer>((resolve) => target.refresh(token, lane, resolve));
      if (answer.ok) session.token = answer.next;
      else refused.set(answer.kind, (refused.get(answer.kind) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: SEED_AT_ONCE }, worker));
  const [first] = [...refused].sort(([, a], [, b]) => b - a);
  const count = [...refused.values()].reduce((sum, n) => sum + n, 0);
  // A few lost ones show as errors of the run.
  if (first === undefined || count * 10 < sessions.length) return;
  const [kind] = first;
  const at_ = `${url.origin}${url.pathname}`;
  if (!kind.startsWith('HTTP') && kind !== 'no token in a 200') {
    throw new BenchError(
      'TARGET_UNREACHABLE',
      `${at_} could not be reached (${kind}). Is it running, and is the URL right?`,
    );
  }
  if (kind === 'HTTP 401') {
    throw new BenchError(
      'TOKENS_REFUSED',
      `${at_} refused ${count} of ${sessions.length} tokens. Is it the key that it verifies with, and do users of these ids exist there (--first-user-id)? Or give tokens with --tokens.`,
    );
  }
  throw new BenchError(
    'NOT_A_REFRESH_ENDPOINT',
    `${at_} answered ${kind} to a refresh. Is it the URL of a refresh endpoint?`,
  );
}

function isLocal({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
