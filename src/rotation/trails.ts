/** Where an earlier walk ended. Shared by all of its marks, so that whoever goes further moves the end for all. */
interface Trail {
  last: string;
}

/** Every so many generations of a walk a mark is kept: a walk that begins between two of them computes no more ids. */
const MARK_EVERY = 256;

/** About 3 MB. A family of 16,384 generations takes 64 of them. */
const MAX_MARKS = 16_384;

/**
 * What long walks have found, so that no stretch of a family is walked twice: from a token to the last one of its
 * family that was looked at. Up to there all rows were blacklisted.
 *
 * It saves work and proves nothing (a restore makes rows live again): a walk that starts where another one ended looks
 * at that row, too.
 */
export class Trails {
  readonly #trails = new Map<string, Trail>();

  /** The last token of a walk that passed this one. */
  after(jti: string): string | undefined {
    return this.#trails.get(jti)?.last;
  }

  /**
   * @param from where the walk began
   * @param passed the tokens that it went over after that, in order
   * @param last where it ended
   */
  remember(from: string, passed: readonly string[], last: string): void {
    const trail = this.#trails.get(last) ?? this.#trails.get(from) ?? { last };
    trail.last = last;
    this.#mark(from, trail);
    for (let at = MARK_EVERY - 1; at < passed.length; at += MARK_EVERY) this.#mark(passed[at] ?? from, trail);
    this.#mark(last, trail);
  }

  /** What was found at the end of this token's trail is there no more. */
  forget(jti: string): void {
    const trail = this.#trails.get(jti);
    for (const [mark, its] of this.#trails) if (its === trail) this.#trails.delete(mark);
  }

  #mark(jti: string, trail: Trail): void {
    this.#trails.delete(jti);
    this.#trails.set(jti, trail);
    if (this.#trails.size <= MAX_MARKS) return;
    const oldest = this.#trails.keys().next();
    if (oldest.done !== true) this.#trails.delete(oldest.value);
  }
}
