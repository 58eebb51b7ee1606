import type { RequestOutcome } from './requests.js';

/** A traced request in a bucket of the duration histogram: by it an operator gets from a slow bucket to a trace. */
export interface Exemplar {
  readonly outcome: RequestOutcome;
  /** The bucket's upper bound as the text format writes it. */
  readonly le: string;
  readonly traceId: string;
  readonly seconds: number;
  /** Seconds since 1970. */
  readonly atSeconds: number;
}

/** The newest of each bucket. As many as there are buckets at most. */
export class Exemplars {
  readonly #bounds: readonly number[];
  readonly #newest = new Map<string, Exemplar>();

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  note(outcome: RequestOutcome, seconds: number, traceId: string): void {
    const bound = this.#bounds.find((one) => seconds <= one);
    const le = bound === undefined ? '+Inf' : String(bound);
    this.#newest.set(`${outcome} ${le}`, { outcome, le, traceId, seconds, atSeconds: Date.now() / 1000 });
  }

  all(): Exemplar[] {
    return [...this.#newest.values()];
  }
}

/** Of several processes: the newest of each bucket. */
export function newestExemplars(all: readonly Exemplar[]): Exemplar[] {
  const newest = new Map<string, Exemplar>();
  for (const one of all) {
    const key = `${one.outcome} ${one.le}`;
    if ((newest.get(key)?.atSeconds ?? -Infinity) < one.atSeconds) newest.set(key, one);
  }
  return [...newest.values()];
}
