import { kpiMeter, type KpiDocument, type KpiMeterOptions, type KpiReading } from '../observe/kpi-meter.js';
import { Exemplars, type Exemplar } from '../observe/exemplars.js';
import { DURATION_BUCKETS, metricsSink, type MetricsSink } from '../observe/metrics.js';
import { openMetrics } from '../observe/open-metrics.js';
import type { HttpObserver } from '../observe/requests.js';
import { refusalMetrics, Refusals } from '../observe/refusals.js';
import { SessionMeter } from '../observe/session-meter.js';
import { sessionMetrics } from '../observe/session-metrics.js';
import type { ReleaseStack } from './release.js';

export interface Observing extends MetricsSink, HttpObserver {
  /** The metrics with exemplars of traced refreshes, as OpenMetrics. */
  openMetrics(): Promise<string>;
  exemplars(): Exemplar[];
  kpis(): KpiDocument;
  kpiReading(): KpiReading;
  /** From now on answers are held against rows. Before it, what was answered counts as not checked in the end. */
  startAudit(countRows: KpiMeterOptions['countRows'], releases: ReleaseStack): void;
  /** The database goes on from an earlier point: what was answered before is looked for again. */
  historyCut(): void;
}

/** Twice in the second that a batch of answers covers. */
const AUDIT_EVERY_MS = 500;

/**
 * Metrics and KPIs, fed by the same events.
 *
 * @param alone false: one of several workers, whose KPIs are no metrics, for a ratio of each is none of all
 * @param audit `auditDueMs`: how long a row may take after its answer, in ms; the contract's 5 s if not given
 */
export function observing(
  monotonicMs: () => number,
  {
    alone = true,
    accessLifetimeSeconds = 900,
    ...audit
  }: { readonly alone?: boolean; readonly accessLifetimeSeconds?: number } & Pick<
    KpiMeterOptions,
    'auditDueMs' | 'onLooked'
  > = {},
): Observing {
  let countRows: KpiMeterOptions['countRows'] = () => Promise.reject(new Error('no database yet'));
  const meter = kpiMeter({
    countRows: (jtis) => countRows(jtis),
    monotonicMs,
    startedAtMs: Date.now(),
    random: Math.random,
    ...audit,
  });
  const metrics = metricsSink(alone ? () => meter.read() : undefined);
  const exemplars = new Exemplars(DURATION_BUCKETS);
  const refusals = new Refusals(monotonicMs);
  refusalMetrics(metrics.registry, refusals);
  const sessions = new SessionMeter({ accessLifetimeSeconds, monotonicMs });
  sessionMetrics(metrics.registry, sessions);
  return {
    ...metrics,
    onRefused(outcome, token, client) {
      refusals.saw(outcome, token, client);
      sessions.sawRefusal(outcome, token);
    },
    onRotationEvent(event) {
      metrics.onRotationEvent(event);
      meter.onRotationEvent(event);
      sessions.onRotationEvent(event);
    },
    onStatement(purpose) {
      metrics.onStatement(purpose);
      meter.onStatement(purpose);
    },
    onRequest(route, outcome, durationUs, traceId) {
      if (traceId !== undefined && route === 'refresh') exemplars.note(outcome, durationUs / 1e6, traceId);
      metrics.onRequest(route, outcome, durationUs);
      meter.onRequest(route, outcome, durationUs);
    },
    onRefusedUnread(count) {
      metrics.onRefusedUnread(count);
      meter.onRefusedUnread(count);
    },
    openMetrics: async () => openMetrics(await metrics.render(), exemplars.all()),
    exemplars: () => exemplars.all(),
    kpis: () => meter.read(),
    kpiReading: () => meter.reading(),
    historyCut: () => meter.historyCut(),
    startAudit(count, releases) {
      countRows = count;
      const timer = setInterval(() => void meter.audit(), AUDIT_EVERY_MS).unref();
      releases.add(() => clearInterval(timer));
    },
  };
}
