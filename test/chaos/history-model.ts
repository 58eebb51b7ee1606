import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { type MintedToken, mintRefresh } from '../support/tokens.js';
import type { Attempt, BlacklistedRow, History, OutstandingRow, TokenPair } from './history.js';

/**
 * A server that keeps its word, on a clock of its own: it makes correct histories of everything that may happen to
 * a client, for the checker to find nothing in, and for mutations to spoil.
 */
export const STEPS = [
  'refresh', // sent, rotated, answered
  'lost_before', // no answer, and nothing happened
  'lost_after', // no answer, but it was rotated
  'unavailable_before', // 503, and nothing happened
  'unavailable_after', // 503, but it was rotated
  'twins', // sent twice at once
  'busy', // sent twice at once: one gets no answer, the other 429
  'old_again', // a token whose successor was used comes back
  'repeat', // the client repeats what was already answered
] as const;
export type Step = (typeof STEPS)[number];

const START_MS = 1_800_000_000_000;
/** An answer takes this long; a step this many. */
const ANSWER_MS = 5;
const STEP_MS = 20;

/** One list of steps a family. Whatever is left unclear at the end is resolved by one more refresh. */
export function simulate(families: readonly (readonly Step[])[], graceMs: number): History {
  const attempts: Attempt[] = [];
  const outstanding: OutstandingRow[] = [];
  const blacklisted: BlacklistedRow[] = [];
  const roots = new Map<string, string>();
  families.forEach((steps, number) => {
    const family = new Family(number + 1, graceMs, { attempts, outstanding, blacklisted });
    roots.set(family.name, family.root);
    for (const step of steps) family.take(step);
    family.finish();
  });
  return { roots, attempts, rows: { outstanding, blacklisted } };
}

interface Sink {
  readonly attempts: Attempt[];
  readonly outstanding: OutstandingRow[];
  readonly blacklisted: BlacklistedRow[];
}

class Family {
  readonly name: string;
  readonly root: string;
  readonly #userId: number;
  readonly #graceMs: number;
  readonly #sink: Sink;
  /** The token the client holds, and, once it is claimed, what it was or will be answered. */
  #current: MintedToken;
  #next: { token: MintedToken; pair: TokenPair } | undefined;
  /** The tokens before, newest first. */
  readonly #past: { token: MintedToken; pair: TokenPair }[] = [];
  #nowMs = START_MS;
  #asked = false;
  #generation = 0;

  constructor(userId: number, graceMs: number, sink: Sink) {
    this.#userId = userId;
    this.#graceMs = graceMs;
    this.#sink = sink;
    this.name = String(userId);
    this.#current = this.#mint('refresh', START_MS - 60_000);
    this.root = this.#current.jti;
    this.#insert(this.#current, BigInt(this.#current.iatSeconds) * 1_000_000n);
  }

  take(step: Step): void {
    const { token: previous, pair } = this.#past[0] ?? {};
    switch (step) {
      case 'refresh':
        this.#claim();
        this.#answer(0, 200);
        this.#moveOn();
        break;
      case 'lost_after':
      case 'unavailable_after':
        this.#claim();
        this.#answer(0, step === 'lost_after' ? 'none' : 503);
        break;
      case 'lost_before':
      case 'unavailable_before':
        this.#answer(0, step === 'lost_before' ? 'none' : 503);
        break;
      case 'twins':
        this.#claim();
        this.#answer(0, 200);
        this.#answer(1, this.#graceMs > 0 ? 200 : 429);
        // Sent while the winner was in flight, read when it was done.
        this.#answer(ANSWER_MS - 1, this.#graceMs > 0 ? 200 : 401);
        this.#moveOn();
        break;
      case 'busy':
        this.#answer(0, 'none');
        this.#answer(1, 429);
        break;
      case 'old_again': {
        const old = this.#past[1];
        if (old !== undefined) this.#record(old.token, 0, 401);
        break;
      }
      case 'repeat':
        if (previous === undefined || pair === undefined || this.#asked) break;
        if (this.#graceMs > 0) this.#record(previous, 0, 200, pair);
        else this.#record(previous, 0, 401);
        break;
    }
    this.#nowMs += STEP_MS;
  }

  finish(): void {
    if (this.#asked) this.take('refresh');
  }

  #claim(): void {
    if (this.#next !== undefined) return;
    const claimedAtUs = BigInt(this.#nowMs) * 1000n + 2_345n;
    const claimedAtMs = Number(claimedAtUs / 1000n);
    const row = this.#sink.outstanding.find(({ jti }) => jti === this.#current.jti)!;
    this.#sink.blacklisted.push({ tokenId: row.id, blacklistedAtUs: claimedAtUs });
    const token = this.#mint('refresh', claimedAtMs);
    const access = this.#mint('access', claimedAtMs);
    this.#insert(token, claimedAtUs);
    this.#next = { token, pair: { access: access.token, refresh: token.token } };
  }

  #moveOn(): void {
    this.#past.unshift({ token: this.#current, pair: this.#next!.pair });
    this.#current = this.#next!.token;
    this.#next = undefined;
    this.#asked = false;
  }

  #answer(delayMs: number, status: Attempt['status']): void {
    this.#asked = true;
    this.#record(this.#current, delayMs, status, status === 200 ? this.#next?.pair : undefined);
  }

  #record({ jti }: MintedToken, delayMs: number, status: Attempt['status'], pair?: TokenPair): void {
    const sentAtMs = this.#nowMs + delayMs;
    const requestId = this.#sink.attempts.length;
    const attempt = { family: this.name, requestId, jti, sentAtMs, endedAtMs: sentAtMs + ANSWER_MS, status };
    this.#sink.attempts.push(pair === undefined ? attempt : { ...attempt, pair });
  }

  #mint(tokenType: 'refresh' | 'access', atMs: number): MintedToken {
    // Not random: a counterexample has to look the same when it is run again.
    const jti = createHash('sha256').update(`${this.name}:${this.#generation++}`).digest('hex').slice(0, 32);
    const iatSeconds = Math.floor(atMs / 1000);
    const lifetimeSeconds = tokenType === 'refresh' ? 12 * 3600 : 900;
    return mintRefresh({ userId: this.#userId, jti, tokenType, iatSeconds, lifetimeSeconds });
  }

  #insert({ jti, token }: MintedToken, createdAtUs: bigint): void {
    const id = String(this.#sink.outstanding.length + 1);
    this.#sink.outstanding.push({ id, family: this.name, jti, token, createdAtUs });
  }
}

/** Histories of up to four families, each with up to twelve steps. */
export function correctHistory(graceMs: number): fc.Arbitrary<History> {
  const steps = fc.array(fc.constantFrom(...STEPS), { minLength: 1, maxLength: 12 });
  return fc.array(steps, { minLength: 1, maxLength: 4 }).map((families) => simulate(families, graceMs));
}
