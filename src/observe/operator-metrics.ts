import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type StoreName = 'database' | 'redis';
export type CertificateUse = 'tls' | 'verifying_key';
export type WebhookResult = 'delivered' | 'failed' | 'dropped';

/** What operators watch besides the refreshes themselves. */
export interface OperatorMetrics {
  onStore(store: StoreName, up: boolean): void;
  /** How long a claim's statement took, its commit included. */
  onClaimStatement(seconds: number): void;
  onInvalidIndexes(count: number): void;
  onCertificate(use: CertificateUse, validToSeconds: number): void;
  onAlert(code: string, subjects: number): void;
  onWebhook(result: WebhookResult): void;
  onStreams(open: number): void;
}

export interface Watched {
  /** Connections of the pool, and requests that wait for one. */
  readonly pool: () => { readonly open: number; readonly idle: number; readonly waiting: number };
  readonly poolSize: number;
  /** How far this host's clock is ahead of the database's, in seconds. */
  readonly clockAheadSeconds: () => number;
  readonly alertCodes: readonly string[];
}

/** A commit on a healthy disk takes a few milliseconds. */
const CLAIM_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Registers them; label values come from closed unions only. */
export function operatorMetrics(registry: Registry, watched: Watched): OperatorMetrics {
  const registers = [registry];
  const { pool, poolSize, clockAheadSeconds, alertCodes } = watched;
  gauge('carelink_db_pool_size', 'Connections to the database at most.', (self) => self.set(poolSize));
  gauge('carelink_db_pool_open', 'Connections to the database that are open.', (self) =>
    self.set(pool().open),
  );
  gauge('carelink_db_pool_idle', 'Those of them that nobody uses.', (self) => self.set(pool().idle));
  gauge('carelink_db_pool_waiting', 'Statements that wait for a connection.', (self) =>
    self.set(pool().waiting),
  );
  gauge(
    'carelink_clock_ahead_seconds',
    "How far this host's clock is ahead of the database's; below 0: behind.",
    (self) => self.set(clockAheadSeconds()),
    'average',
  );
  const up = new Gauge({
    name: 'carelink_store_up',
    help: 'Whether a store answered when it was last asked: 1 or 0.',
    labelNames: ['store'],
    registers,
    aggregator: 'min',
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
  const certificates = new Gauge({
    name: 'carelink_certificate_expiry_timestamp_seconds',
    help: 'When the first certificate of a use expires.',
    labelNames: ['use'],
    registers,
    aggregator: 'min',
  });
  const alerts = new Gauge({
    name: 'carelink_alert_active',
    help: 'How many things an alert is raised for.',
    labelNames: ['code'],
    registers,
    aggregator: 'max',
  });
  for (const code of alertCodes) alerts.set({ code }, 0);
  const webhook = new Counter({
    name: 'carelink_alert_webhook_total',
    help: 'Messages to --alert-webhook, by what became of them.',
    labelNames: ['result'],
    registers,
  });
  for (const result of ['delivered', 'failed', 'dropped']) webhook.inc({ result }, 0);
  const streams = new Gauge({
    name: 'carelink_event_streams',
    help: 'Dashboards that are open.',
    registers,
  });
  return {
    onStore: (store, isUp) => up.set({ store }, isUp ? 1 : 0),
    onClaimStatement: (seconds) => claims.observe(seconds),
    onInvalidIndexes: (count) => invalid.set(count),
    onCertificate: (use, seconds) => certificates.set({ use }, seconds),
    onAlert: (code, subjects) => alerts.set({ code }, subjects),
    onWebhook: (result) => webhook.inc({ result }),
    onStreams: (open) => streams.set(open),
  };

  function gauge(
    name: string,
    help: string,
    read: (self: Gauge) => void,
    aggregator: 'sum' | 'average' = 'sum',
  ): void {
    new Gauge({
      name,
      help,
      registers,
      aggregator,
      collect() {
        read(this);
      },
    });
  }
}
