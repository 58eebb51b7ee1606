import type { DatabaseClock } from '../rotation/ports.js';

export interface ClaimGateOptions {
  /** `auto`: claims only while changes by other hands are heard. */
  readonly mode: 'async' | 'auto';
  readonly heard: () => boolean;
  readonly clock: DatabaseClock;
  readonly monotonicMs: () => number;
  /** Claims are taken in Redis from now on, or aren't; `why` says what is in the way. */
  readonly onMode: (taken: boolean, why: string) => void;
}

/** Instances' notions of the database's clock differ by less: each is behind it by what an answer's way took. */
const CLOCKS_APART_US = 1_000_000;

/** A Redis that was out of reach for longer may be another one now: a failover takes at least this. */
const OUTAGE_MS = 1_000;

/**
 * Whether tokens are claimed in Redis, and which of those that it calls active are believed (rules 11, 12, 14).
 *
 * Redis' word holds for what was made while this instance could see all that might make it wrong. After anything that
 * it may have missed (its own start, a gap in the feed, a Redis that went away and came back with an older state) it
 * believes only what was made since; all other tokens are claimed in the database, once.
 */
export class ClaimGate {
  readonly #options: ClaimGateOptions;
  #sinceUs = 0;
  #policies: readonly string[] | undefined;
  #downAtMs: number | undefined;
  #told: boolean | undefined;

  constructor(options: ClaimGateOptions) {
    this.#options = options;
    this.distrust();
  }

  /** Undefined: no claims in Redis. Else tokens made after this time (us) are believed to be what Redis says. */
  trustedSinceUs(): number | undefined {
    return this.#obstacle() === undefined ? this.#sinceUs : undefined;
  }

  /** What was called active until now is no longer believed. */
  distrust(): void {
    this.#sinceUs = Math.max(this.#sinceUs, this.#options.clock.nowUs() + CLOCKS_APART_US);
  }

  onRedis(state: 'down' | 'up'): void {
    const nowMs = this.#options.monotonicMs();
    if (state === 'down') this.#downAtMs ??= nowMs;
    else {
      if (this.#downAtMs !== undefined && nowMs - this.#downAtMs >= OUTAGE_MS) this.distrust();
      this.#downAtMs = undefined;
    }
  }

  /** The eviction policies of Redis' nodes, as last seen; whether one of them evicts what was claimed. */
  onPolicies(policies: readonly string[]): 'evicts_all' | 'evicts_expiring' | 'ok' {
    this.#policies = policies;
    if (policies.some((policy) => policy.startsWith('allkeys-'))) return 'evicts_all';
    return policies.some((policy) => policy.startsWith('volatile-')) ? 'evicts_expiring' : 'ok';
  }

  get policiesKnown(): boolean {
    return this.#policies !== undefined;
  }

  /** To be called now and then: tells where the mode has changed. */
  tell(): void {
    const obstacle = this.#obstacle();
    const taken = obstacle === undefined;
    if (taken === this.#told) return;
    this.#told = taken;
    this.#options.onMode(taken, obstacle ?? '');
  }

  #obstacle(): string | undefined {
    const { mode, heard } = this.#options;
    if (this.#policies === undefined) return 'Redis has not been reached yet';
    if (this.#policies.some((policy) => policy.startsWith('allkeys-')))
      return 'Redis evicts keys (maxmemory-policy)';
    if (mode === 'auto' && !heard()) return 'changes by Django are not heard (migrate --notify)';
    return undefined;
  }
}
