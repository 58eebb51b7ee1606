import type { Begun, Hint, Learned, TokenCache, TokenKey } from '../rotation/ports.js';
import { Recent } from './recent.js';

/**
 * The cache of one process: what it learned of tokens, bounded, and the in-flight lock.
 *
 * Everything in it is a hint (rule 6): a wrong or forgotten entry costs a statement, never a wrong answer. Live
 * tokens and spent ones are bounded apart, for a spent one is worth little and there are many of them.
 */
export class MemoryCache implements TokenCache {
  /** Memory isn't shared: a claim taken here would be news to nobody else. */
  readonly takesClaims = false;
  /** Token id -> row id. */
  readonly #active: Recent<string>;
  readonly #spent: Recent<true>;
  readonly #inFlight = new Map<string, InFlight>();

  constructor(bounds: { readonly maxActive: number; readonly maxSpent: number }) {
    this.#active = new Recent(bounds.maxActive);
    this.#spent = new Recent(bounds.maxSpent);
  }

  begin({ jti }: TokenKey): Extract<Begun, { kind: 'begun' | 'busy' }> {
    const other = this.#inFlight.get(jti);
    if (other !== undefined) return { kind: 'busy', settled: other.settled() };
    this.#inFlight.set(jti, new InFlight());
    return { kind: 'begun', hint: this.#hint(jti), doubtAtUs: undefined };
  }

  finish({ jti }: TokenKey, learned: Learned | undefined): void {
    if (learned !== undefined) {
      this.#active.delete(learned.spent);
      this.#spent.set(learned.spent, true);
      if (learned.successor !== undefined) this.#active.set(learned.successor.jti, learned.successor.rowId);
    }
    this.#inFlight.get(jti)?.end();
    this.#inFlight.delete(jti);
  }

  /** The rotation remembers its own doubts; there is nobody else here to tell. */
  noteDoubt(): Promise<void> {
    return Promise.resolve();
  }

  claimed(): undefined {
    return undefined;
  }

  noteSpent(tokens: readonly TokenKey[]): void {
    for (const { jti } of tokens) {
      // One that nobody here has seen needs no place.
      if (this.#active.delete(jti)) this.#spent.set(jti, true);
    }
  }

  forgetActive(): void {
    this.#active.clear();
  }

  #hint(jti: string): Hint | undefined {
    const rowId = this.#active.get(jti);
    if (rowId !== undefined) return { state: 'active', rowId };
    return this.#spent.get(jti) === true ? { state: 'spent' } : undefined;
  }
}

/** A refresh under way. Its promise is made only when somebody waits for it, which is rare. */
class InFlight {
  #waiters: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  settled(): Promise<void> {
    if (this.#waiters === undefined) {
      let resolve: () => void = () => undefined;
      const promise = new Promise<void>((done) => (resolve = done));
      this.#waiters = { promise, resolve };
    }
    return this.#waiters.promise;
  }

  end(): void {
    this.#waiters?.resolve();
  }
}
