import type { MetricsSnapshot } from './merged-metrics.js';

export type Labels = Readonly<Record<string, string>>;

export interface Series {
  readonly labels: Labels;
  readonly value: number;
}

/** All of this program's series at one moment, by metric; histograms as `_bucket`, `_sum` and `_count`. */
export type MetricValues = Readonly<Record<string, readonly Series[]>>;

const OURS = 'carelink_';
/** What tells of the process: the rest of prom-client's own series is for Prometheus. */
const OF_PROCESS = new Set([
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'nodejs_eventloop_lag_p99_seconds',
]);

/** The values that `/metrics` shows. */
export function metricValues(snapshot: MetricsSnapshot): MetricValues {
  const values: Record<string, Series[]> = {};
  for (const metric of snapshot) {
    if (!metric.name.startsWith(OURS) && !OF_PROCESS.has(metric.name)) continue;
    // A metric that has no series yet is there all the same: 0 of it happened.
    values[metric.name] ??= [];
    for (const { labels, value, ...more } of metric.values) {
      const name =
        'metricName' in more && typeof more.metricName === 'string' ? more.metricName : metric.name;
      const texts = Object.entries(labels).map(([label, text]) => [label, String(text)]);
      (values[name] ??= []).push({ labels: Object.fromEntries(texts) as Labels, value });
    }
  }
  return values;
}

/** The sum of a metric's series that have these labels; undefined where this server has no such metric. */
export function sumOf(values: MetricValues, name: string, labels: Labels = {}): number | undefined {
  const series = values[name]?.filter((one) =>
    Object.entries(labels).every(([label, text]) => one.labels[label] === text),
  );
  return series?.reduce((sum, { value }) => sum + value, 0);
}

/** The same of a gauge that may have no value yet: then undefined. */
export function gaugeOf(values: MetricValues, name: string, labels: Labels = {}): number | undefined {
  return (values[name]?.length ?? 0) === 0 ? undefined : sumOf(values, name, labels);
}
