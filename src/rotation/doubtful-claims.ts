/**
 * Claims whose answer from the database got lost: which token, and the time the claim carried (rule 4).
 *
 * The claim may stand or not. Whoever presents the token next repeats the very same claim: if the first one
 * stands its marker tells that it was ours, and the pair that was never delivered is handed out, at grace 0 too.
 */
export class DoubtfulClaims {
  /** The times that were sent, the newest last; undefined in the place of the next one: it isn't to be repeated. */
  readonly #claimedAtUs = new Map<string, readonly (number | undefined)[]>();
  readonly #capacity: number;

  /** @param capacity beyond it the oldest are forgotten: their tokens are then judged as anybody's. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  remember(jti: string, claimedAtUs: number): void {
    const others = this.#sent(jti).filter((us) => us !== undefined && us !== claimedAtUs);
    this.#keep(jti, [...others, claimedAtUs]);
    if (this.#claimedAtUs.size > this.#capacity) {
      const oldest = this.#claimedAtUs.keys().next();
      if (oldest.done !== true) this.#claimedAtUs.delete(oldest.value);
    }
  }

  /** The time to claim with again. */
  claimedAtUs(jti: string): number | undefined {
    return this.#sent(jti).at(-1);
  }

  /** Whether any claim of it is in doubt. */
  has(jti: string): boolean {
    return this.#claimedAtUs.has(jti);
  }

  /** Whether a claim of this time was sent from here, and nobody knows what became of it. */
  isOurs(jti: string, claimedAtUs: number | undefined): boolean {
    return claimedAtUs !== undefined && this.#sent(jti).includes(claimedAtUs);
  }

  /**
   * The next claim gets a time of its own. The one before may stand all the same: a commit that waits for a synchronous
   * standby is seen by nobody until its wait ends, however late that is.
   */
  renew(jti: string): void {
    if (this.claimedAtUs(jti) !== undefined) this.#keep(jti, [...this.#sent(jti), undefined]);
  }

  /** Returns whether there was a doubt to settle. */
  settle(jti: string): boolean {
    return this.#claimedAtUs.delete(jti);
  }

  #sent(jti: string): readonly (number | undefined)[] {
    return this.#claimedAtUs.get(jti) ?? NONE;
  }

  #keep(jti: string, times: readonly (number | undefined)[]): void {
    this.#claimedAtUs.delete(jti);
    this.#claimedAtUs.set(jti, times.length > MAX_TIMES ? [...times.slice(0, 1), ...times.slice(2)] : times);
  }
}

const NONE: readonly number[] = [];

/** Of a client that goes on and on. The first is kept: once it stands, no other can. */
const MAX_TIMES = 8;
