import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError } from '../config/errors.js';
import type { Log } from '../observe/log.js';
import { diagnoseConnect } from '../store/connect-failure.js';
import { isTooSlow } from '../store/errors.js';

/**
 * A database that is slow for a moment must end no start: after an outage all instances start at once, and connecting
 * takes longer then than a refresh may.
 */
const SLOW_PATIENCE_MS = 10_000;

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 1_000;

/** Whoever looks at the log meanwhile is to see that it waits, and for what. */
const TELL_EVERY_MS = 10_000;

/** How long a start waits for its database, and what is told of it. */
export class StartPatience {
  readonly #beganMs: number;
  readonly #waitMs: number;
  readonly #monotonicMs: () => number;
  readonly #log: Log;
  #attempts = 0;
  #toldAtMs = -Infinity;

  /** @param waitMs for a database that isn't up yet; 0: not at all */
  constructor(waitMs: number, monotonicMs: () => number, log: Log) {
    this.#beganMs = monotonicMs();
    this.#waitMs = waitMs;
    this.#monotonicMs = monotonicMs;
    this.#log = log;
  }

  /**
   * Waits for a moment where that may help.
   *
   * @param told the error as people are told of it
   * @returns false: it won't help, or the patience is over
   * @throws the signal's reason
   */
  async waitOut(error: unknown, told: unknown, signal: AbortSignal | undefined): Promise<boolean> {
    const waitedMs = this.#monotonicMs() - this.#beganMs;
    if (isTooSlow(error) && waitedMs < Math.max(SLOW_PATIENCE_MS, this.#waitMs)) {
      const leftMs = Math.max(SLOW_PATIENCE_MS, this.#waitMs) - waitedMs;
      if (this.#isDue()) this.#log.warn('database_slow', { cause: waitingFor(told, leftMs) });
      return true;
    }
    const failure = diagnoseConnect(error)?.failure;
    const leftMs = this.#waitMs - waitedMs;
    if ((failure !== 'away' && failure !== 'full') || leftMs <= 0) return false;
    if (this.#isDue()) this.#log.warn('database_awaited', { cause: waitingFor(told, leftMs) });
    const delayMs = Math.min(LONGEST_DELAY_MS, leftMs, FIRST_DELAY_MS * 2 ** Math.min(this.#attempts++, 10));
    await sleep(delayMs, undefined, signal && { signal });
    return true;
  }

  #isDue(): boolean {
    const nowMs = this.#monotonicMs();
    if (nowMs - this.#toldAtMs < TELL_EVERY_MS) return false;
    this.#toldAtMs = nowMs;
    return true;
  }
}

function waitingFor(told: unknown, leftMs: number): string {
  const message = told instanceof CommandError ? told.message : 'PostgreSQL is not there yet.';
  return `waiting for up to ${Math.ceil(leftMs / 1000)} s more: ${message}`;
}
