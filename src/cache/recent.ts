/**
 * The entries that were put in last: at least half of `most`, and never more. Nothing is set aside for those that are to come,
 * as an LRU does it; an entry that is read does not stay longer for that.
 */
export class Recent<Value> {
  readonly #half: number;
  /** When this one is half of all it becomes the older one, and what that had is forgotten. */
  #newer = new Map<string, Value>();
  #older = new Map<string, Value>();

  constructor(most: number) {
    this.#half = most / 2;
  }

  get(key: string): Value | undefined {
    return this.#newer.get(key) ?? this.#older.get(key);
  }

  set(key: string, value: Value): void {
    this.#newer.set(key, value);
    if (this.#newer.size < this.#half) return;
    this.#older = this.#newer;
    this.#newer = new Map();
  }

  /** Returns whether it was there. */
  delete(key: string): boolean {
    const wasNewer = this.#newer.delete(key);
    return this.#older.delete(key) || wasNewer;
  }

  clear(): void {
    this.#newer.clear();
    this.#older.clear();
  }
}
