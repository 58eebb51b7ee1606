/** More than an outage's worth are forgotten. */
const MOST = 100_000;
const AT_ONCE = 1_000;

/** Tokens that were spent while Redis couldn't be told. */
export class Untold {
  /** Token id -> partition. */
  readonly #tokens = new Map<string, number>();
  #telling = false;

  add(jti: string, partition: number): void {
    if (this.#tokens.size < MOST) this.#tokens.set(jti, partition);
  }

  get size(): number {
    return this.#tokens.size;
  }

  /** Tells some at a time, until all are told or one can't be: the next one that gets through to Redis goes on. */
  async tell(one: (jti: string, partition: number) => Promise<boolean>): Promise<void> {
    if (this.#telling) return;
    this.#telling = true;
    try {
      while (this.#tokens.size > 0) {
        const some = [...this.#tokens].slice(0, AT_ONCE);
        const told = await Promise.all(some.map(([jti, partition]) => one(jti, partition)));
        for (const [at, [jti]] of some.entries()) if (told[at] === true) this.#tokens.delete(jti);
        if (told.includes(false)) return;
      }
    } finally {
      this.#telling = false;
    }
  }
}
