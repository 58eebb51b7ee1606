import { setTimeout as sleep } from 'node:timers/promises';
import { BenchError } from './error.js';
import { Recording, type Slice } from './record.js';
import { seeded } from './random.js';
import { schedule, type Arrivals, type Step } from './schedule.js';
import { refreshOnce, type Session, type Turn } from './sessions.js';
import { Silence } from './silence.js';
import type { Target } from './target.js';

export interface LoadPlan {
  /** Of the target, for messages. */
  readonly name: string;
  readonly mode: 'closed' | 'open';
  readonly durationMs: number;
  /** Open loop only: how many are due, and when. */
  readonly steps: readonly Step[];
  readonly arrivals: Arrivals;
  readonly duplicates: number;
  readonly tabs: number;
  readonly seed: number;
  readonly reissue: (() => string) | undefined;
  readonly signal: AbortSignal;
  readonly onSlice?: (slice: Slice) => void;
}

/** A refused or failed refresh isn't repeated at once: what a polite client does, and the loop must not spin. */
const PAUSE_MS = 50;

const SLICE_MS = 1_000;

/** A timer is late by up to a millisecond or so; what is left is waited for without sleeping. */
const SPIN_MS = 1.5;

const nowMs = (): number => performance.now();

/**
 * Loads the target until the time is up and all is answered. Sessions keep their chains for a next run; those that ended
 * in an earlier one were counted there, and are left out.
 *
 * @throws BenchError where the target stops answering for good, or every session has ended
 */
export async function load(
  target: Target,
  all: readonly Session[],
  plan: LoadPlan,
): Promise<{ readonly recording: Recording; readonly elapsedMs: number }> {
  const sessions = all.filter(({ ended }) => ended !== true);
  if (sessions.length === 0 && all.length > 0) throw noneLeft(plan.name, all.length);
  const recording = new Recording();
  const startedMs = nowMs();
  const silence = new Silence();
  const lost = new AbortController();
  const watched = { ...plan, signal: AbortSignal.any([plan.signal, lost.signal]) };
  const gone = new Promise<never>((_, reject) => {
    lost.signal.addEventListener('abort', () => reject(lost.signal.reason as BenchError));
  });
  const onTick = (): void => {
    if (plan.onSlice !== undefined) plan.onSlice(recording.cut(nowMs() - startedMs));
    const instead = silence.look(recording, nowMs());
    if (instead !== undefined) lost.abort(targetLost(plan.name, instead, nowMs() - startedMs));
  };
  const timer = setInterval(onTick, SLICE_MS);
  try {
    const loop = plan.mode === 'closed' ? closedLoop : openLoop;
    await Promise.race([loop(target, sessions, recording, watched, startedMs), gone]);
  } finally {
    clearInterval(timer);
  }
  const elapsedMs = nowMs() - startedMs;
  // A rest of some milliseconds would be a point of the timeline that says nothing.
  if (elapsedMs - (recording.slices.at(-1)?.atMs ?? -Infinity) > SLICE_MS / 2) recording.cut(elapsedMs);
  return { recording, elapsedMs };
}

function targetLost(name: string, instead: string, sinceStartMs: number): BenchError {
  return new BenchError(
    'TARGET_LOST',
    `${name} stopped answering ${Math.round(sinceStartMs / 1_000)} s into the load: ${instead}. Nothing is judged. Is it still running? Its log, or the kernel's (out of memory), says why it ended; then repeat the run with fresh tokens.`,
  );
}

function noneLeft(name: string, sessions: number): BenchError {
  return new BenchError(
    'TOKENS_REFUSED',
    `${name} has refused the tokens of all ${sessions} sessions for good, so nobody is left to refresh. Nothing more is judged. If it was overloaded, load it less (--rate, --users); then repeat the run with fresh tokens.`,
  );
}

/** Each session refreshes, and as soon as it is answered refreshes again. */
function closedLoop(
  target: Target,
  sessions: readonly Session[],
  recording: Recording,
  plan: LoadPlan,
  startedMs: number,
): Promise<void> {
  const options = { ...plan, random: seeded(plan.seed), nowMs };
  const endsMs = startedMs + plan.durationMs;
  return new Promise((resolve) => {
    let running = sessions.length;
    const turn = (session: Session): void => {
      if (nowMs() >= endsMs || plan.signal.aborted) {
        end();
        return;
      }
      refreshOnce(target, session, recording, options, nowMs(), (how: Turn) => {
        if (how === 'done') turn(session);
        else if (how === 'failed') setTimeout(() => turn(session), PAUSE_MS);
        else end();
      });
    };
    const end = (): void => {
      running -= 1;
      if (running === 0) resolve();
    };
    if (running === 0) resolve();
    for (const session of sessions) turn(session);
  });
}

/**
 * Refreshes come when they are due, whatever became of those before. One that finds every session in flight waits for
 * one; its latency counts from when it was due, so that a stall is felt by all that should have been sent in it.
 */
async function openLoop(
  target: Target,
  sessions: readonly Session[],
  recording: Recording,
  plan: LoadPlan,
  startedMs: number,
): Promise<void> {
  const options = { ...plan, random: seeded(plan.seed ^ 0x9e3779b9), nowMs };
  const idle = new Fifo<Session>();
  for (const session of sessions) idle.push(session);
  const waiting = new Fifo<number>();
  let [inFlight, alive] = [0, sessions.length];
  let onAnswer = (): void => undefined;
  let drained: (() => void) | undefined;

  const send = (session: Session, dueMs: number): void => {
    inFlight += 1;
    refreshOnce(target, session, recording, options, dueMs, (how) => {
      inFlight -= 1;
      onAnswer();
      if (how === 'ended') alive -= 1;
      else if (how === 'failed') setTimeout(() => free(session), PAUSE_MS);
      else free(session);
      if (inFlight === 0 && (waiting.length === 0 || alive === 0)) drained?.();
    });
  };
  const free = (session: Session): void => {
    const dueMs = waiting.shift();
    if (dueMs === undefined) {
      idle.push(session);
      return;
    }
    recording.sessionWait.recordMs(nowMs() - dueMs);
    send(session, dueMs);
  };

  const arrivals = schedule(plan.arrivals, plan.steps, seeded(plan.seed));
  let next = nextOf(arrivals);
  /** Sends what is due; also between two answers, for reading a heap of them takes longer than a request may be late. */
  const sendDue = (): void => {
    for (let n = 0; n < BURST && next !== undefined; n++) {
      const dueMs = startedMs + next;
      if (dueMs > nowMs() || plan.signal.aborted) return;
      next = nextOf(arrivals);
      recording.due += 1;
      const session = idle.shift();
      if (session === undefined) {
        recording.waitedForSession += 1;
        waiting.push(dueMs);
      } else {
        recording.sendLag.recordMs(nowMs() - dueMs);
        send(session, dueMs);
      }
    }
  };
  onAnswer = sendDue;
  const remaining = (): number => (next === undefined ? 0 : startedMs + next - nowMs());
  while (next !== undefined && !plan.signal.aborted && alive > 0) {
    sendDue();
    const early = remaining();
    if (early > SPIN_MS + 1) await sleep(Math.floor(early - SPIN_MS));
    else await nextTurn();
  }
  recording.backlog = waiting.length;
  // Where every session has ended the rest is due, and nobody is there to send it.
  for (; next !== undefined && !plan.signal.aborted; next = nextOf(arrivals)) recording.due += 1;
  if (inFlight > 0 || (waiting.length > 0 && alive > 0))
    await new Promise<void>((resolve) => (drained = resolve));
}

/** Arrivals that are due together are sent so many at a time, so that answers are read in between. */
const BURST = 64;

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function nextOf(arrivals: Iterator<number, void>): number | undefined {
  const { done, value } = arrivals.next();
  return done === true ? undefined : value;
}

/** A queue whose head is taken in constant time. */
class Fifo<T> {
  #items: T[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head++];
    if (this.#head > 1_024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
