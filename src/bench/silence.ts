import { isAnswer } from './answer-words.js';
import type { Recording } from './record.js';

/** A server that is restarted is back in that time, as a rule; nobody wants to watch a dead one for longer. */
const REFUSED_MS = 5_000;

/** Twice as long as this project's server lets a request wait. */
const UNANSWERED_MS = 10_000;

/**
 * Whether a target has stopped answering altogether: every request breaks, or none comes back. Looks at counts that there are
 * anyway, now and then, so that it costs a request nothing.
 */
export class Silence {
  #answered = 0;
  #broken = 0;
  #quietSinceMs: number | undefined;
  #brokenBefore = 0;

  /** @returns what happens in place of answers, once it has lasted too long */
  look(recording: Recording, nowMs: number): string | undefined {
    const { answered, broken, kind } = counted(recording);
    const inFlight = recording.requests - answered - broken;
    const isQuiet = answered === this.#answered && (inFlight > 0 || broken > this.#broken);
    this.#answered = answered;
    this.#broken = broken;
    if (!isQuiet) {
      this.#quietSinceMs = undefined;
      return undefined;
    }
    if (this.#quietSinceMs === undefined) {
      this.#quietSinceMs = nowMs;
      this.#brokenBefore = broken;
    }
    const quietMs = nowMs - this.#quietSinceMs;
    const seconds = Math.round(quietMs / 1_000);
    if (broken > this.#brokenBefore && quietMs >= REFUSED_MS)
      return `for ${seconds} s every request ended with ${kind ?? 'an error'}`;
    if (quietMs >= UNANSWERED_MS) return `for ${seconds} s none of ${inFlight} requests was answered`;
    return undefined;
  }
}

function counted(recording: Recording): { answered: number; broken: number; kind: string | undefined } {
  const { successes, duplicates } = recording;
  let [answered, broken] = [successes + duplicates.replayed + duplicates.refused, 0];
  let [kind, most] = [undefined as string | undefined, 0];
  for (const [name, count] of recording.errors) {
    if (name === NO_WINNER) continue;
    if (isAnswer(name)) answered += count;
    else {
      broken += count;
      if (count > most) [kind, most] = [name, count];
    }
  }
  return { answered, broken, kind };
}

/** Counted beside the refusals of a refresh, not as an answer of its own. */
export const NO_WINNER = 'no duplicate won';
