import { LatencyHistogram } from './histogram.js';

/** A second (or a block) of the run. */
export interface Slice {
  /** Since the measuring began, of its end. */
  readonly atMs: number;
  readonly durationMs: number;
  readonly successes: number;
  readonly errors: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** What a run measured. Latencies are those of successes: a refusal is fast, and would flatter. */
export class Recording {
  /** Open loop: from the moment it was due. Closed loop: the same as `service`. */
  readonly latency = new LatencyHistogram();
  /** From sent to answered. */
  readonly service = new LatencyHistogram();
  /** How much later than it was due the generator sent, though a session was free: its own fault. */
  readonly sendLag = new LatencyHistogram();
  readonly slices: Slice[] = [];
  readonly errors = new Map<string, number>();
  readonly duplicates = { sent: 0, refused: 0, replayed: 0 };
  /** Open loop: how many the schedule had. */
  due = 0;
  /** Refreshes that were begun; each is one request, or several where it was duplicated. */
  refreshes = 0;
  requests = 0;
  /** Distinct rotations: a pair that was handed out twice is one. */
  successes = 0;
  /** One token, two different successors: what must never be. */
  forks = 0;
  /** Due while every session was in flight; they waited, and it counts. */
  waitedForSession = 0;
  /** How long those waited until they were sent. */
  readonly sessionWait = new LatencyHistogram();
  /** Of those, how many still waited when the last one had come due. */
  backlog = 0;
  /** Successes whose refresh token was the one that was sent. */
  unrotated = 0;
  /** Successes whose refresh token had just been given to another session. */
  shared = 0;
  /** Refused for good: the session was given a new chain, or ended. */
  lostSessions = 0;
  readonly #slice = new LatencyHistogram();
  #sliceErrors = 0;
  #sliceFromMs = 0;
  #lastToken: string | undefined;

  /** A refresh was answered with this token. A copy's answer to the same refresh isn't told here. */
  handedOut(next: string, sent: string): void {
    if (next === sent) this.unrotated += 1;
    else if (next === this.#lastToken) this.shared += 1;
    this.#lastToken = next;
  }

  success(latencyMs: number, serviceMs: number): void {
    this.successes += 1;
    this.latency.recordMs(latencyMs);
    this.service.recordMs(serviceMs);
    this.#slice.recordMs(latencyMs);
  }

  error(kind: string): void {
    this.errors.set(kind, (this.errors.get(kind) ?? 0) + 1);
    this.#sliceErrors += 1;
  }

  get errorCount(): number {
    let sum = 0;
    for (const count of this.errors.values()) sum += count;
    return sum;
  }

  /** Adds another recording, its slices behind these. */
  absorb(other: Recording): void {
    this.latency.add(other.latency);
    this.service.add(other.service);
    this.sendLag.add(other.sendLag);
    this.sessionWait.add(other.sessionWait);
    const fromMs = this.slices.at(-1)?.atMs ?? 0;
    this.slices.push(...other.slices.map((slice) => ({ ...slice, atMs: fromMs + slice.atMs })));
    for (const [kind, count] of other.errors) this.errors.set(kind, (this.errors.get(kind) ?? 0) + count);
    this.duplicates.sent += other.duplicates.sent;
    this.duplicates.refused += other.duplicates.refused;
    this.duplicates.replayed += other.duplicates.replayed;
    this.due += other.due;
    this.refreshes += other.refreshes;
    this.requests += other.requests;
    this.successes += other.successes;
    this.forks += other.forks;
    this.waitedForSession += other.waitedForSession;
    this.backlog += other.backlog;
    this.unrotated += other.unrotated;
    this.shared += other.shared;
    this.lostSessions += other.lostSessions;
  }

  /** Ends the current slice. `atMs` since the measuring began. */
  cut(atMs: number): Slice {
    const slice = {
      atMs,
      durationMs: atMs - this.#sliceFromMs,
      successes: this.#slice.count,
      errors: this.#sliceErrors,
      meanMs: this.#slice.meanMs,
      p50Ms: this.#slice.percentileMs(50),
      p99Ms: this.#slice.percentileMs(99),
      maxMs: this.#slice.maxMs,
    };
    this.slices.push(slice);
    this.#slice.reset();
    this.#sliceErrors = 0;
    this.#sliceFromMs = atMs;
    return slice;
  }
}
