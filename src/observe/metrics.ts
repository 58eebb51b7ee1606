import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EventSink, ReuseKind, RotationEvent } from '../rotation/events.js';
import type { Change } from '../rotation/change-feed.js';
import type { KpiDocument } from './kpi-meter.js';
import { eventLoopLag, UNWATCHED } from './event-loop-lag.js';
import { registerKpis } from './kpi-metrics.js';
import type { MetricsSnapshot } from './merged-metrics.js';
import { REQUEST_OUTCOMES, type RequestObserver } from './requests.js';
import type { StatementPurpose } from './statement-purpose.js';

export interface MetricsSink extends RequestObserver {
  readonly onRotationEvent: EventSink;
  onStatement(purpose: StatementPurpose): void;
  /** So many refreshes were refused before they were read: they have no duration. */
  onRefusedUnread(count: number): void;
  /** How many claims shared one statement. */
  onBatch(size: number): void;
  onCleanupDeleted(rows: number): void;
  /** Expired rows that are still there, as the last look had it. */
  onCleanupBacklog(rows: number): void;
  /** Redis no longer answers. */
  onRedisOutage(): void;
  /** Whether what Django does by itself is heard. */
  onChangeFeed(alive: boolean): void;
  onChange(kind: Change['kind'] | 'gap'): void;
  /** A claim that was taken in Redis is dealt with, so long after it was taken. */
  onBackgroundWrite(result: BackgroundWrite, lagSeconds: number): void;
  /** Where to look how much is owed to the database. */
  watchOutbox(look: () => { readonly depth: number; readonly lagMs: number }): void;
  /** A run of this process's cleanup came to its end; `elsewhere`: none was needed, for another's ended well. */
  onCleanupEnd(result: 'done' | 'failed' | 'elsewhere'): void;
  readonly contentType: string;
  /** Where more may be registered. */
  readonly registry: Registry;
  /** The Prometheus text format. */
  render(): Promise<string>;
  /** The same as data, for a process that adds up those of several. */
  snapshot(): Promise<MetricsSnapshot>;
}

/** How the writing of a claim ended; outbox/ports.ts says what they mean. */
const BACKGROUND_WRITES = ['written', 'redelivered', 'double', 'closed', 'dead_letter'] as const;
export type BackgroundWrite = (typeof BACKGROUND_WRITES)[number];

/** Lags gather for 20 ms; the target of their p99 is half a second, the KPI's limit five. */
const LAG_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

/** Around the target of 30 ms, and far enough on both sides to see a good day and a bad one. */
export const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const BATCH_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500];

const CHANGE_KINDS: readonly (Change['kind'] | 'gap')[] = ['blacklisted', 'user', 'gap'];
const REUSE_KINDS: readonly ReuseKind[] = ['late', 'second_claim'];
const REVOCATION_ENDS: readonly Extract<RotationEvent, { kind: 'revocation' }>['end'][] = [
  'tip',
  'closed_elsewhere',
  'escalated',
];

/** One registry, what feeds it, and how it is read. Label values come from closed unions only. */
export function metricsSink(kpis?: () => KpiDocument): MetricsSink {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, ...UNWATCHED });
  eventLoopLag(registry);

  const duration = new Histogram({
    name: 'carelink_token_refresh_duration_seconds',
    help: 'From a refresh request read to its response written, queueing included.',
    labelNames: ['outcome'],
    buckets: DURATION_BUCKETS,
    registers,
  });
  const refreshes = new Counter({
    name: 'carelink_token_refresh_total',
    help: 'Refresh requests answered, by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  const requests = new Counter({
    name: 'carelink_http_requests_total',
    help: 'Requests answered on the public port, by route and outcome.',
    labelNames: ['route', 'outcome'],
    registers,
  });
  const statements = new Counter({
    name: 'carelink_db_statements_total',
    help: 'Statements sent to the database, by purpose.',
    labelNames: ['purpose'],
    registers,
  });
  const lookups = new Counter({
    name: 'carelink_cache_lookups_total',
    help: 'Where verified refreshes found the state of their token.',
    labelNames: ['result'],
    registers,
  });
  const reuse = new Counter({
    name: 'carelink_token_reuse_total',
    help: 'Spent tokens that came back later than the grace allows.',
    labelNames: ['kind'],
    registers,
  });
  const revocations = new Counter({
    name: 'carelink_token_revocations_total',
    help: 'Revocations of token families, by how they ended.',
    labelNames: ['end'],
    registers,
  });
  const offers = new Counter({
    name: 'carelink_rotation_offers_total',
    help: 'With --rotation offered: refreshes answered, by whether their client keeps a new refresh token.',
    labelNames: ['client'],
    registers,
  });
  const inDoubt = new Counter({
    name: 'carelink_claims_in_doubt_total',
    help: 'Claims whose answer from the database never came, by whether their fate was found out.',
    labelNames: ['resolved'],
    registers,
  });
  const batches = new Histogram({
    name: 'carelink_group_commit_batch_size',
    help: 'Claims that shared one statement.',
    buckets: BATCH_BUCKETS,
    registers,
  });

  if (kpis !== undefined) registerKpis(registry, kpis);
  const cleanupDeleted = new Counter({
    name: 'carelink_cleanup_deleted_total',
    help: 'Outstanding rows of expired tokens that the cleanup of this process removed.',
    registers,
  });
  const cleanupBacklog = new Gauge({
    name: 'carelink_cleanup_backlog_rows',
    help: 'Outstanding rows past their retention, whoever cleans up; only with --cleanup-every.',
    registers,
    aggregator: 'max',
  });
  // A gauge without labels begins at 0: nobody has looked yet.
  cleanupBacklog.remove();

  const redisOutages = new Counter({
    name: 'carelink_redis_outages_total',
    help: 'How often Redis stopped answering.',
    registers,
  });
  const feedAlive = new Gauge({
    name: 'carelink_change_feed_alive',
    help: 'Whether log-outs, deactivations and deletions by Django are heard: 1 or 0.',
    registers,
    aggregator: 'min',
  });
  const changes = new Counter({
    name: 'carelink_changes_total',
    help: 'What was heard of changes by other hands; gap: something may have been missed.',
    labelNames: ['kind'],
    registers,
  });

  const backgroundWrites = new Counter({
    name: 'carelink_background_writes_total',
    help: 'Claims that were taken in Redis and written behind, by how that ended.',
    labelNames: ['result'],
    registers,
  });
  const lag = new Histogram({
    name: 'carelink_background_lag_seconds',
    help: "From a claim's being taken in Redis to its rows' being in the database.",
    buckets: LAG_BUCKETS,
    registers,
  });
  let outbox = (): { readonly depth: number; readonly lagMs: number } => ({ depth: 0, lagMs: 0 });
  new Gauge({
    name: 'carelink_outbox_depth',
    help: 'Claims that this process still owes to the database.',
    registers,
    collect() {
      this.set(outbox().depth);
    },
  });
  new Gauge({
    name: 'carelink_outbox_oldest_seconds',
    help: 'How long the oldest of them has been owed.',
    registers,
    aggregator: 'max',
    collect() {
      this.set(outbox().lagMs / 1000);
    },
  });

  const cleanupRuns = new Counter({
    name: 'carelink_cleanup_runs_total',
    help: "Runs of this process's cleanup, by how they ended.",
    labelNames: ['result'],
    registers,
  });
  const cleanupFailed = new Gauge({
    name: 'carelink_cleanup_last_failed',
    help: "Whether the last run of this process's cleanup failed, and none has ended well since: 1 or 0.",
    registers,
    aggregator: 'max',
  });
  const cleanupAt = new Gauge({
    name: 'carelink_cleanup_last_run_timestamp_seconds',
    help: "When the last run of this process's cleanup ended; 0: never.",
    registers,
    aggregator: 'max',
  });
  // A series that starts at its first event hides that event from rate(); so all start at 0.
  for (const outcome of REQUEST_OUTCOMES) refreshes.inc({ outcome }, 0);
  for (const end of REVOCATION_ENDS) revocations.inc({ end }, 0);
  for (const result of BACKGROUND_WRITES) backgroundWrites.inc({ result }, 0);
  for (const result of ['done', 'failed']) cleanupRuns.inc({ result }, 0);
  for (const kind of REUSE_KINDS) reuse.inc({ kind }, 0);
  for (const kind of CHANGE_KINDS) changes.inc({ kind }, 0);
  for (const client of ['accepts', 'ignores']) offers.inc({ client }, 0);
  for (const resolved of ['true', 'false']) inDoubt.inc({ resolved }, 0);

  const onRotationEvent = (event: RotationEvent): void => {
    switch (event.kind) {
      // Of these the meters of KPIs and of sessions make something.
      case 'refresh':
      case 'session_refused':
        break;
      case 'cache_lookup':
        lookups.inc({ result: event.result });
        break;
      case 'reuse':
        reuse.inc({ kind: event.reuse });
        break;
      case 'revocation':
        revocations.inc({ end: event.end });
        break;
      case 'offer':
        if (event.outcome === 'rotated' || event.outcome === 'reissued')
          offers.inc({ client: event.accepted ? 'accepts' : 'ignores' });
        break;
      case 'claim_in_doubt':
        inDoubt.inc({ resolved: String(event.resolved) });
        break;
    }
  };

  return {
    onRotationEvent,
    onStatement: (purpose) => statements.inc({ purpose }),
    onBatch: (size) => batches.observe(size),
    onCleanupDeleted: (rows) => cleanupDeleted.inc(rows),
    onBackgroundWrite(result, lagSeconds) {
      backgroundWrites.inc({ result });
      lag.observe(lagSeconds);
    },
    watchOutbox: (look) => (outbox = look),
    onCleanupBacklog: (rows) => cleanupBacklog.set(rows),
    onRedisOutage: () => redisOutages.inc(),
    onChangeFeed: (alive) => feedAlive.set(alive ? 1 : 0),
    onChange: (kind) => changes.inc({ kind }),
    onCleanupEnd(result) {
      cleanupFailed.set(result === 'failed' ? 1 : 0);
      if (result === 'elsewhere') return;
      cleanupRuns.inc({ result });
      cleanupAt.set(Date.now() / 1000);
    },
    onRequest(route, outcome, durationUs) {
      requests.inc({ route, outcome });
      if (route !== 'refresh') return;
      refreshes.inc({ outcome });
      duration.observe({ outcome }, durationUs / 1e6);
    },
    onRefusedUnread(count) {
      requests.inc({ route: 'refresh', outcome: 'unavailable' }, count);
      refreshes.inc({ outcome: 'unavailable' }, count);
    },
    registry,
    contentType: registry.contentType,
    render: () => registry.metrics(),
    snapshot: () => registry.getMetricsAsJSON(),
  };
}
