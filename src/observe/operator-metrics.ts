import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type StoreName = 'database' | 'redis';
export type CertificateUse = 'tls' | 'verifying_key';

/** What operators watch besides the refreshes themselves. */
export interface OperatorMetrics {
  /** `state`: what is wrong with it, in the word of /readyz. */
  onStore(store: StoreName, up: boolean, state?: string): void;
  /** How long a claim's statement took, its commit included. */
  onClaimStatement(seconds: number): void;
  onInvalidIndexes(count: number): void;
  /** Answered rotations that the database refuses to write. */
  onDeadLetters(count: number): void;
  /** PostgreSQL refused to write rows of a refresh or a log-out that was not answered: 503. */
  onWriteRefused(): void;
  /** The first that expires of those in use; undefined: there is none. */
  onCertificate(use: CertificateUse, validToSeconds: number | undefined): void;
  /** The database goes on from an earlier point: a failover, or a restore. */
  onHistoryCut(): void;
  /** Refreshes that were answered before that, and have no rows any more. */
  onCommitsLost(count: number): void;
}

export interface Watched {
  /** How far this host's clock is ahead of the database's, in seconds. */
  readonly clockAheadSeconds: () => number;
}

/** A commit on a healthy disk takes a few milliseconds. */
const CLAIM_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Registers them; label values come from closed unions only. */
export function operatorMetrics(registry: Registry, { clockAheadSeconds }: Watched): OperatorMetrics {
  const registers = [registry];
  const told = new Map<StoreName, string>();
  new Gauge({
    name: 'carelink_clock_ahead_seconds',
    help: "How far this host's clock is ahead of the database's; below 0: behind.",
    registers,
    // Workers share this host's clock and the database's: each of them measures the same two.
    aggregator: 'average',
    collect() {
      this.set(clockAheadSeconds());
    },
  });
  const up = new Gauge({
    name: 'carelink_store_up',
    help: 'Whether a store answered when it was last asked: 1 or 0.',
    labelNames: ['store'],
    registers,
    aggregator: 'min',
  });
  const problems = new Gauge({
    name: 'carelink_store_problem',
    help: 'What is wrong with a store that is not up, in the words of /readyz: 1.',
    labelNames: ['store', 'problem'],
    registers,
    aggregator: 'max',
  });
  const claims = new Histogram({
    name: 'carelink_claim_statement_duration_seconds',
    help: "How long a group commit's statement took, waiting for a connection and the commit included.",
    buckets: CLAIM_BUCKETS,
    registers,
  });
  const invalid = new Gauge({
    name: 'carelink_invalid_indexes',
    help: 'Indexes of the token tables that are invalid and not being built.',
    registers,
    aggregator: 'max',
  });
  // A gauge without labels begins at 0: nobody has looked yet.
  invalid.remove();
  const deadLetters = new Gauge({
    name: 'carelink_dead_letters',
    help: 'Answered rotations that the database refuses to write (carelink.dead_letters).',
    registers,
    aggregator: 'max',
  });
  const writesRefused = new Counter({
    name: 'carelink_writes_refused_total',
    help: 'Refreshes and log-outs answered 503 since PostgreSQL refuses their rows: a trigger, a constraint, a sequence.',
    registers,
  });
  const certificates = new Gauge({
    name: 'carelink_certificate_expiry_timestamp_seconds',
    help: 'When the first certificate of a use expires.',
    labelNames: ['use'],
    registers,
    aggregator: 'min',
  });
  const cuts = new Counter({
    name: 'carelink_history_cuts_total',
    help: 'How often this process saw the database go on from an earlier point: a failover, or a restore.',
    registers,
  });
  const lost = new Counter({
    name: 'carelink_commits_lost_total',
    help: 'Refreshes of the last minute before that (up to 250 a second are looked for) that have no rows any more.',
    registers,
  });
  return {
    onStore(store, isUp, state) {
      up.set({ store }, isUp ? 1 : 0);
      const before = told.get(store);
      if (before !== undefined) problems.remove({ store, problem: before });
      if (isUp || state === undefined) told.delete(store);
      else {
        told.set(store, state);
        problems.set({ store, problem: state }, 1);
      }
    },
    onClaimStatement: (seconds) => claims.observe(seconds),
    onInvalidIndexes: (count) => invalid.set(count),
    onDeadLetters: (count) => deadLetters.set(count),
    onWriteRefused: () => writesRefused.inc(),
    onCertificate(use, seconds) {
      if (seconds === undefined) certificates.remove({ use });
      else certificates.set({ use }, seconds);
    },
    onHistoryCut: () => cuts.inc(),
    onCommitsLost: (count) => lost.inc(count),
  };
}
