import { hostname } from 'node:os';
import type { ServeSettings } from '../config/settings.js';
import type { EventStreams } from '../http/events.js';
import { AlertEngine } from '../observe/alerts/engine.js';
import { ALERT_CODES, type Alert } from '../observe/alerts/alert.js';
import { ALERT_RULES } from '../observe/alerts/rules.js';
import type { Webhook } from '../observe/alerts/webhook.js';
import { describeError } from '../observe/errors.js';
import type { Log } from '../observe/log.js';
import type { AlertMetrics } from '../observe/alert-metrics.js';
import type { KpiDocument } from '../observe/kpi-meter.js';
import type { MetricsSnapshot } from '../observe/merged-metrics.js';
import { metricValues } from '../observe/metric-reading.js';
import type { ReleaseStack } from './release.js';

/** The dashboard moves once a second; alerts look at every fifth reading, and without a dashboard only those are made. */
const TICK_MS = 1_000;
const ALERT_EVERY_TICKS = 5;

export interface WatchParts {
  readonly settings: ServeSettings;
  /** What `/metrics` and `/kpis` would show now: of this process, or of all its workers. */
  readonly read: () => Promise<{ readonly metrics: MetricsSnapshot; readonly kpis: KpiDocument }>;
  readonly metrics: AlertMetrics;
  readonly streams: EventStreams;
  readonly monotonicMs: () => number;
  readonly log: Log;
}

/** Reads metrics and KPIs, raises alerts, and feeds dashboards, until it is released. Never throws. */
export async function watch(
  { settings, read, metrics, streams, monotonicMs, log }: WatchParts,
  releases: ReleaseStack,
): Promise<void> {
  const engine = new AlertEngine(ALERT_RULES);
  const webhook = settings.alertWebhook === undefined ? undefined : await openWebhook(settings.alertWebhook);
  if (webhook !== undefined) releases.add(() => webhook.stop());

  let ticks = 0;
  let busy = false;
  const tick = async (): Promise<void> => {
    const judges = ticks++ % ALERT_EVERY_TICKS === 0;
    if (busy || (!judges && streams.size === 0)) return;
    busy = true;
    try {
      const { metrics: snapshot, kpis } = await read();
      const wallClockMs = Date.now();
      const values = metricValues(snapshot);
      if (judges) {
        const reading = { wallClockMs, metrics: values, kpis: kpis.kpis };
        const { raised, cleared } = engine.evaluate(reading, monotonicMs());
        for (const alert of raised) tell('raised', alert);
        for (const alert of cleared) tell('cleared', alert);
        countAlerts(engine.active(), metrics);
      }
      if (streams.size > 0) {
        const mode = settings.database.kind;
        streams.send(
          JSON.stringify({ at: wallClockMs, mode, kpis, metrics: values, alerts: engine.active() }),
        );
      }
    } catch (error) {
      log.error('watch_failed', describeError(error));
    } finally {
      busy = false;
    }
  };
  async function openWebhook(url: string): Promise<Webhook> {
    // Its HTTP client takes long to load.
    const { Webhook } = await import('../observe/alerts/webhook.js');
    return new Webhook({
      url,
      source: `carelink-tokens at ${hostname()}:${settings.http.port}`,
      random: Math.random,
      onResult: (result) => metrics.onWebhook(result),
    });
  }
  const tell = (event: 'raised' | 'cleared', alert: Alert): void => {
    const { code, severity, subject, title, detail } = alert;
    const cause = event === 'raised' ? `${title}: ${detail}` : title;
    const fields = { alert: code, severity, kind: subject, cause };
    if (event === 'cleared') log.info('alert_cleared', fields);
    else log[severity === 'critical' ? 'error' : 'warn']('alert_raised', fields);
    webhook?.tell(event, alert);
  };

  const timer = setInterval(() => void tick(), TICK_MS).unref();
  releases.add(() => clearInterval(timer));
}

function countAlerts(active: readonly Alert[], metrics: AlertMetrics): void {
  for (const code of ALERT_CODES) metrics.onAlert(code, active.filter((alert) => alert.code === code).length);
}
