import type { AnswerFacts } from './answers.js';
import { load, type LoadPlan } from './load.js';
import type { BenchPlan, BenchTarget } from './plan.js';
import { seeded } from './random.js';
import { Recording, type Slice } from './record.js';
import { steady } from './schedule.js';
import type { Session } from './sessions.js';
import { openTarget, type Target } from './target.js';

/** Connections at most: an open loop may have every session in flight. */
export const MAX_CONNECTIONS = 2_000;

/** A target under load, and what came of it so far. */
export interface Side {
  readonly target: Target;
  readonly url: URL;
  readonly sessions: Session[];
  readonly reissue: (() => string) | undefined;
  readonly recording: Recording;
  elapsedMs: number;
  /** Refreshes that were answered since it was opened, those that aren't measured included. */
  answered: number;
  /** Sessions that ended in the warm-up. Only what is measured tells of them; a search tells of its own. */
  endedInWarmUp: number;
}

export function openSide({ refreshUrl, tokens, reissue }: BenchTarget, plan: BenchPlan): Side {
  const { headers, insecure, rotation } = plan;
  return {
    target: openTarget(refreshUrl, Math.min(tokens.length, MAX_CONNECTIONS), {
      accepts: rotation === 'offered',
      headers,
      insecure,
    }),
    url: refreshUrl,
    sessions: tokens.map((token, lane) => ({ token, lane })),
    reissue,
    recording: new Recording(),
    elapsedMs: 0,
    answered: 0,
    endedInWarmUp: 0,
  };
}

export const isGoing = ({ ended }: Session): boolean => ended !== true;

/** @param steps of an open loop; without them it is the plan's rate */
export function loadPlan(
  side: Side,
  plan: BenchPlan,
  durationMs: number,
  seed: number,
  steps = steady(plan.ratePerSecond, durationMs),
): LoadPlan {
  const { mode, arrivals, tabs, signal } = plan;
  const duplicates = plan.duplicatesPercent / 100;
  const { reissue } = side;
  const name = `${side.url.origin}${side.url.pathname}`;
  return { name, mode, steps, arrivals, tabs, signal, duplicates, durationMs, seed, reissue };
}

export async function block(
  side: Side,
  plan: BenchPlan,
  durationMs: number,
  seed: number,
  say: (phase: 'measuring', leftMs: number, slice: Slice) => void,
  leftMs: number,
): Promise<{ readonly perSecond: number; readonly meanMs: number; readonly p99Ms: number }> {
  const onSlice = (slice: Slice): void => say('measuring', Math.max(0, leftMs - slice.atMs), slice);
  const { recording, elapsedMs } = await load(side.target, side.sessions, {
    ...loadPlan(side, plan, durationMs, seed, plan.profile),
    onSlice,
  });
  side.recording.absorb(recording);
  side.answered += recording.successes;
  side.elapsedMs += elapsedMs;
  return {
    perSecond: (recording.successes * 1_000) / elapsedMs,
    meanMs: recording.latency.meanMs,
    p99Ms: recording.latency.percentileMs(99),
  };
}

export type Block = Awaited<ReturnType<typeof block>>;

/** What the answers were. `serverMeanMs`: what the server says that a refresh took. */
export function answersOf(side: Side, plan: BenchPlan, serverMeanMs: number | undefined): AnswerFacts {
  const { recording, sessions, elapsedMs, endedInWarmUp, reissue } = side;
  const { refreshes, requests, successes, forks, unrotated, shared, lostSessions, errors } = recording;
  const offered = {
    perSecond: plan.ratePerSecond,
    achievedPerSecond: (successes * 1_000) / elapsedMs,
    backlog: recording.backlog,
    waitMeanMs: recording.sessionWait.meanMs,
    serviceMeanMs: recording.service.meanMs,
    serverMeanMs,
  };
  return {
    rotation: plan.rotation, refreshes, requests, successes, forks, unrotated, shared, lostSessions, endedInWarmUp, errors,
    // Without those that ended in a search.
    users: sessions.filter(isGoing).length + endedInWarmUp + (reissue === undefined ? lostSessions : 0),
    offered: plan.mode === 'open' ? offered : undefined,
  }; // prettier-ignore
}

/** A block is long enough for a p99, and there are enough of them for an interval. */
const BLOCK_MS = 1_000;
const MIN_PAIRS = 6;
const MAX_PAIRS = 30;

/** Both are warm at the same moment: in turn, first ours, then theirs twice, then ours again. */
export async function warmUp(
  sides: readonly Side[],
  plan: BenchPlan,
  say: (phase: 'warming up', leftMs: number) => void,
): Promise<void> {
  if (plan.warmupMs === 0) return;
  const [ours, theirs] = sides as [Side, Side | undefined];
  const turns = theirs === undefined ? [ours] : [ours, theirs, theirs, ours];
  const turnMs = (sides.length * plan.warmupMs) / turns.length;
  for (const [n, side] of turns.entries()) {
    say('warming up', turnMs * (turns.length - n));
    const { recording } = await load(
      side.target,
      side.sessions,
      loadPlan(side, plan, turnMs, plan.seed + 1 + n),
    );
    side.answered += recording.successes;
    if (side.reissue === undefined) side.endedInWarmUp += recording.lostSessions;
  }
}

/**
 * Both targets in turn. Who begins is drawn for two pairs at a time, and changes from the one to the next: what grows
 * quicker or slower all the time falls on both alike, and a slow moment of the machine on either as often.
 */
export async function interleave(
  ours: Side,
  theirs: Side,
  plan: BenchPlan,
  say: (phase: 'measuring', leftMs: number, slice: Slice) => void,
): Promise<(readonly [Block, Block])[]> {
  const count = Math.min(MAX_PAIRS, Math.max(MIN_PAIRS, 2 * Math.round(plan.durationMs / BLOCK_MS / 2)));
  const blockMs = plan.durationMs / count;
  const random = seeded(plan.seed);
  const pairs: (readonly [Block, Block])[] = [];
  let oursFirst = true;
  for (let n = 0; n < count && !plan.signal.aborted; n++) {
    const leftMs = 2 * (plan.durationMs - n * blockMs);
    const run = (side: Side): Promise<Block> => block(side, plan, blockMs, plan.seed + 2 + n, say, leftMs);
    oursFirst = n % 2 === 0 ? random() < 0.5 : !oursFirst;
    if (oursFirst) {
      const first = await run(ours);
      pairs.push([first, await run(theirs)]);
    } else {
      const first = await run(theirs);
      pairs.push([await run(ours), first]);
    }
  }
  return pairs;
}
