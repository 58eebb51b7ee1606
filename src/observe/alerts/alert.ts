import type { Kpi } from '../kpis.js';
import type { MetricValues } from '../metric-reading.js';

export const ALERT_CODES = [
  'STORE_DOWN',
  'WORKER_DIED',
  'HISTORY_CUT',
  'DOUBLE_SPEND',
  'REFUSALS_UNUSUAL',
  'KPI_MISSED',
  'BACKGROUND_LAG',
  'OUTBOX_GROWTH',
  'DEAD_LETTERS',
  'WRITES_REFUSED',
  'POOL_SATURATED',
  'SLOW_COMMITS',
  'CLOCK_SKEW',
  'CLEANUP_FAILED',
  'CLEANUP_BACKLOG',
  'INVALID_INDEX',
  'CERTIFICATE_EXPIRES',
] as const;

export type AlertCode = (typeof ALERT_CODES)[number];

/** What rules look at: the same values that `/metrics` and `/kpis` show. */
export interface Reading {
  readonly wallClockMs: number;
  readonly metrics: MetricValues;
  readonly kpis: readonly (Kpi & { readonly window: string })[];
}

/** Something that is wrong now: of which thing (a KPI, a store), and the figure. No token, user or secret. */
export interface Symptom {
  readonly subject: string;
  readonly detail: string;
}

export interface AlertRule {
  readonly code: AlertCode;
  readonly severity: 'critical' | 'warning';
  readonly title: string;
  /** What to do, in a sentence; docs/reference/alerts.md has more. */
  readonly action: string;
  /** It must be so that long before it is told. */
  readonly forMs: number;
  /** It must be over that long before that is told. */
  readonly clearMs: number;
  /**
   * @param before the reading of a minute ago; undefined in the first minute
   * @param longBefore that of five minutes ago; undefined in the first five
   */
  judge(now: Reading, before: Reading | undefined, longBefore: Reading | undefined): readonly Symptom[];
}

export interface Alert extends Symptom {
  readonly code: AlertCode;
  readonly severity: AlertRule['severity'];
  readonly title: string;
  readonly action: string;
  /** When it was raised. */
  readonly sinceMs: number;
}
