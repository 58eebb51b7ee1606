import { AggregatorRegistry, type Registry } from 'prom-client';

/** The metrics of one process, as data. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** Metrics of several processes as one: counters and histograms are added up, gauges as each of them says. */
export function mergeMetrics(snapshots: readonly MetricsSnapshot[]): {
  render(): Promise<string>;
  snapshot(): Promise<MetricsSnapshot>;
} {
  const merged = AggregatorRegistry.aggregate([...snapshots]);
  return {
    render: () => merged.metrics(),
    snapshot: () => merged.getMetricsAsJSON(),
  };
}

/** What stays true of a process that has ended: what it counted. */
export function countsOf(snapshot: MetricsSnapshot): MetricsSnapshot {
  return snapshot.filter(({ type }) => {
    const kind = String(type);
    return kind === 'counter' || kind === 'histogram';
  });
}
