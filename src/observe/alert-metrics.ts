import { Counter, Gauge, type Registry } from 'prom-client';
import { ALERT_CODES, type AlertCode } from './alerts/alert.js';

export type WebhookResult = 'delivered' | 'failed' | 'dropped';

/** What only the process with the admin port can say: one that judges nothing must not say that all is well. */
export interface AlertMetrics {
  onAlert(code: AlertCode, subjects: number): void;
  onWebhook(result: WebhookResult): void;
  onStreams(open: number): void;
}

/** Registers them; label values come from closed unions only. */
export function alertMetrics(registry: Registry): AlertMetrics {
  const registers = [registry];
  const alerts = new Gauge({
    name: 'carelink_alert_active',
    help: 'How many things an alert is raised for.',
    labelNames: ['code'],
    registers,
  });
  for (const code of ALERT_CODES) alerts.set({ code }, 0);
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
    onAlert: (code, subjects) => alerts.set({ code }, subjects),
    onWebhook: (result) => webhook.inc({ result }),
    onStreams: (open) => streams.set(open),
  };
}
