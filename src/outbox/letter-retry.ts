import type { Claim } from '../rotation/ports.js';
import type { Letters } from './letters.js';

export interface LetterRetryOptions {
  readonly letters: Letters;
  /** Writes a claim and deals with what came of it; false where the database refuses it still. */
  readonly write: (claim: Claim) => Promise<boolean>;
  readonly onTrouble: (error: unknown) => void;
  readonly random: () => number;
}

/** While all is refused one is tried after each rest; the rest doubles. */
const REST_FIRST_MS = 1_000;
const REST_MAX_MS = 10_000;

/** How many are tried at once, once they are taken again: as many share a statement. */
const MOST_AT_ONCE = 500;

/**
 * Tries to write what the database refused, until it takes it. What kept it out is mended by a person as a rule, for all
 * letters at once: so one is tried, in turn, and where that is written more and more of the others.
 *
 * Every instance does so. Writing is idempotent, and letters are few or all of a kind.
 */
export class LetterRetry {
  readonly #options: LetterRetryOptions;
  #atOnce = 1;
  #refusedInARow = 0;
  /** The last one tried. */
  #at = '';
  #next: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: LetterRetryOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule(REST_FIRST_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#next);
    await this.#round;
  }

  #schedule(restMs: number): void {
    if (this.#stopped) return;
    this.#next = setTimeout(
      () => {
        this.#round = this.#try().then((next) => this.#schedule(next));
      },
      restMs * (0.5 + this.#options.random() / 2),
    ).unref();
  }

  /** One round; returns how long to rest after it. Never rejects. */
  async #try(): Promise<number> {
    const { letters, onTrouble } = this.#options;
    if (letters.size === 0) {
      this.#refusedInARow = 0;
      return REST_FIRST_MS;
    }
    let written = 0;
    let refused = 0;
    try {
      const claims: [string, Claim][] = [];
      for await (const [id, claim] of letters.read(this.#take()))
        if (claim !== undefined) claims.push([id, claim]);
      const outcomes = await Promise.allSettled(claims.map(([, claim]) => this.#options.write(claim)));
      const done = claims.flatMap(([id], at) => {
        const outcome = outcomes[at];
        return outcome?.status === 'fulfilled' && outcome.value ? [id] : [];
      });
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (done.length > 0) await letters.remove(done);
      written = done.length;
      refused = claims.length - written;
      if (failed !== undefined) throw failed.reason;
    } catch (error) {
      onTrouble(error);
      refused ||= 1;
    }
    if (written > 0) {
      this.#refusedInARow = 0;
      this.#atOnce = Math.min(MOST_AT_ONCE, 4 * this.#atOnce);
      return refused > 0 ? REST_FIRST_MS : 0;
    }
    this.#atOnce = 1;
    // Those that nobody can read are no reason to try the others less often.
    if (refused > 0) this.#refusedInARow++;
    return Math.min(REST_MAX_MS, REST_FIRST_MS * 2 ** Math.min(this.#refusedInARow, 10));
  }

  /** The next ones in turn. */
  #take(): string[] {
    const ids = this.#options.letters.ids();
    const from = ids.indexOf(this.#at) + 1;
    const some = [...ids.slice(from), ...ids.slice(0, from)].slice(0, this.#atOnce);
    this.#at = some.at(-1) ?? '';
    return some;
  }
}
