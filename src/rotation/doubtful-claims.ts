/**
 * Claims whose answer from the database got lost: which token, and the time the claim carried (rule 4).
 *
 * The claim may stand or not. Whoever presents the token next repeats the very same claim: if the first one
 * stands its marker tells that it was ours, and the pair that was never delivered is handed out, at grace 0 too.
 */
export class DoubtfulClaims {
  readonly #claimedAtUs = new Map<string, number>();
  readonly #capacity: number;

  /** @param capacity beyond it the oldest are forgotten: their tokens are then judged as anybody's. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  remember(jti: string, claimedAtUs: number): void {
    this.#claimedAtUs.delete(jti);
    this.#claimedAtUs.set(jti, claimedAtUs);
    if (this.#claimedAtUs.size > this.#capacity) {
      const oldest = this.#claimedAtUs.keys().next();
      if (oldest.done !== true) this.#claimedAtUs.delete(oldest.value);
    }
  }

  claimedAtUs(jti: string): number | undefined {
    return this.#claimedAtUs.get(jti);
  }

  /** Returns whether there was a doubt to settle. */
  settle(jti: string): boolean {
    return this.#claimedAtUs.delete(jti);
  }
}
