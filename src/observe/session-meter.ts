import type { RotationEvent } from '../rotation/events.js';
import type { BadStanding } from '../rotation/standing.js';

/** Why sessions end, as far as a server learns of it. `inactive`: also of a user who is gone. */
export const SESSION_ENDS = [
  'logout',
  'expired',
  'revoked',
  'reuse',
  'inactive',
  'password_changed',
] as const;
export type SessionEnd = (typeof SESSION_ENDS)[number];

/** A session is refreshed once in an access lifetime: within that time all of them come. */
const SHORTEST_WINDOW_MS = 60_000;
/** Where access tokens live longer, those that come within this time tell of all. */
const LONGEST_WINDOW_MS = 3_600_000;
const BUCKETS = 60;

/** Tokens of sessions that have ended: a client in a loop presents one again and again. */
const REMEMBERED = 4_096;

/** The end of the signature: tells tokens apart, and is none. */
const TAIL = 16;

export interface SessionMeterOptions {
  readonly accessLifetimeSeconds: number;
  /** A clock that nobody sets back. */
  readonly monotonicMs: () => number;
}

/**
 * How many sessions are active, and why others ended: from what a server sees anyway. No statement is sent for it.
 *
 * How many there are follows from Little's law (https://doi.org/10.1287/opre.9.3.383): the rate of refreshes times the mean
 * time between two of one session. The second is the age of the token that is presented. A session that was asleep counts
 * for one access lifetime at most, so that one who comes back in the morning is one, and not fifty.
 */
export class SessionMeter {
  readonly #capSeconds: number;
  readonly #windowMs: number;
  readonly #monotonicMs: () => number;
  readonly #bornMs: number;
  /** Sums of seconds by the bucket in which they were added; the numbers of those buckets. */
  readonly #sums = new Float64Array(BUCKETS + 1);
  readonly #held = new Float64Array(BUCKETS + 1).fill(-1);
  #total = 0;
  readonly #ended = new Map<SessionEnd, number>(SESSION_ENDS.map((cause) => [cause, 0]));
  readonly #seen = new Set<string>();

  constructor({ accessLifetimeSeconds, monotonicMs }: SessionMeterOptions) {
    this.#capSeconds = accessLifetimeSeconds;
    this.#windowMs = Math.min(LONGEST_WINDOW_MS, Math.max(SHORTEST_WINDOW_MS, accessLifetimeSeconds * 1_000));
    this.#monotonicMs = monotonicMs;
    this.#bornMs = monotonicMs();
  }

  onRotationEvent(event: RotationEvent): void {
    switch (event.kind) {
      case 'refresh':
        if (event.heldSeconds !== undefined) this.#refreshed(event.heldSeconds);
        break;
      case 'session_refused':
        this.#endOnce(endOf(event.standing), event.jti);
        break;
      case 'revocation':
        if (event.cause === 'operator' || event.rows === 0) break;
        // Rows that a claim under way has added are of the same session; all of a user are as many sessions.
        this.#add(event.cause, event.end === 'escalated' ? event.rows : 1);
        break;
      default:
        break;
    }
  }

  /** A refresh was refused with 401. */
  sawRefusal(outcome: string, token: string): void {
    if (outcome === 'expired') this.#endOnce('expired', token.slice(-TAIL));
  }

  /** Undefined: not as long as a session goes without a refresh has passed yet. */
  active(): number | undefined {
    const nowMs = this.#monotonicMs();
    if (nowMs - this.#bornMs < this.#windowMs) return undefined;
    const newest = this.#bucketOf(nowMs);
    let sum = 0;
    for (const [place, held] of this.#held.entries())
      if (held >= 0 && held > newest - BUCKETS && held <= newest) sum += this.#sums[place] ?? 0;
    // The newest bucket has only begun.
    const inNewestMs = nowMs - newest * this.#bucketMs;
    return (sum * 1_000) / (this.#windowMs - this.#bucketMs + inNewestMs);
  }

  /** Its rate is the number of active sessions. */
  get heldSecondsTotal(): number {
    return this.#total;
  }

  ended(cause: SessionEnd): number {
    return this.#ended.get(cause) ?? 0;
  }

  get #bucketMs(): number {
    return this.#windowMs / BUCKETS;
  }

  #bucketOf(ms: number): number {
    return Math.floor(ms / this.#bucketMs);
  }

  #refreshed(heldSeconds: number): void {
    const seconds = Math.min(heldSeconds, this.#capSeconds);
    const bucket = this.#bucketOf(this.#monotonicMs());
    const place = bucket % this.#sums.length;
    if (this.#held[place] !== bucket) {
      this.#held[place] = bucket;
      this.#sums[place] = 0;
    }
    this.#sums[place] = (this.#sums[place] ?? 0) + seconds;
    this.#total += seconds;
  }

  #endOnce(cause: SessionEnd, key: string): void {
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.#seen.size > REMEMBERED)
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest);
        break;
      }
    this.#add(cause, 1);
  }

  #add(cause: SessionEnd, count: number): void {
    this.#ended.set(cause, this.ended(cause) + count);
  }
}

function endOf(standing: BadStanding): SessionEnd {
  return standing === 'gone' ? 'inactive' : standing;
}
