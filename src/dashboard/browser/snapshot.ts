/** What `/events` sends, and arithmetic on it. Nothing here knows of a page. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type KpiWindow = '1m' | '15m' | 'since_start';

export interface Kpi {
  readonly id: string;
  readonly name: string;
  readonly window: KpiWindow;
  readonly comparison: '<' | '>';
  readonly target: number;
  readonly value: number | null;
  readonly unit: string;
  readonly verdict: 'pass' | 'fail' | 'unmeasured';
  readonly numerator: number;
  readonly denominator: number;
  readonly note?: string;
}

export interface Alert {
  readonly code: string;
  readonly severity: 'critical' | 'warning';
  readonly title: string;
  readonly detail: string;
  readonly action: string;
  readonly sinceMs: number;
}

export interface Snapshot {
  /** Milliseconds since the epoch, by the server's clock. */
  readonly at: number;
  readonly mode: string;
  readonly kpis: {
    readonly started_at: string;
    readonly uptime_seconds: number;
    readonly kpis: readonly Kpi[];
  };
  readonly metrics: Readonly<Record<string, readonly Series[]>>;
  readonly alerts: readonly Alert[];
}

export type Labels = Readonly<Record<string, string>>;

/** The sum of the series with these labels; undefined where the server has no such metric. */
export function total(snapshot: Snapshot, name: string, labels: Labels = {}): number | undefined {
  return snapshot.metrics[name]
    ?.filter((series) => Object.entries(labels).every(([label, text]) => series.labels[label] === text))
    .reduce((sum, { value }) => sum + value, 0);
}

/** The same, undefined also where the metric has no value yet. */
export function gauge(snapshot: Snapshot, name: string, labels: Labels = {}): number | undefined {
  return (snapshot.metrics[name]?.length ?? 0) === 0 ? undefined : total(snapshot, name, labels);
}

/** How much a counter grew; one that went down began anew, with its server. */
export function growth(before: Snapshot, now: Snapshot, name: string, labels: Labels = {}): number {
  const [was, is] = [total(before, name, labels) ?? 0, total(now, name, labels) ?? 0];
  return before.kpis.started_at === now.kpis.started_at && is >= was ? is - was : is;
}

/**
 * A quantile of what a histogram gathered between two snapshots, by linear interpolation within its bucket, as
 * Prometheus' histogram_quantile does it. Undefined where nothing was gathered.
 */
export function quantile(
  before: Snapshot,
  now: Snapshot,
  name: string,
  share: number,
  keep: (labels: Labels) => boolean = () => true,
): number | undefined {
  const cumulative = new Map<number, number>();
  const gather = (snapshot: Snapshot, sign: 1 | -1): void => {
    for (const { labels, value } of snapshot.metrics[`${name}_bucket`] ?? []) {
      if (!keep(labels)) continue;
      const bound = labels['le'] === '+Inf' ? Infinity : Number(labels['le']);
      cumulative.set(bound, (cumulative.get(bound) ?? 0) + sign * value);
    }
  };
  gather(now, 1);
  if (before.kpis.started_at === now.kpis.started_at) gather(before, -1);
  const bounds = [...cumulative].sort(([a], [b]) => a - b);
  const all = bounds.at(-1)?.[1] ?? 0;
  if (all <= 0) return undefined;
  let [lowerBound, lowerCount] = [0, 0];
  for (const [bound, count] of bounds) {
    if (count >= share * all) {
      if (bound === Infinity) return lowerBound;
      const within = (share * all - lowerCount) / Math.max(1e-9, count - lowerCount);
      return lowerBound + (bound - lowerBound) * within;
    }
    [lowerBound, lowerCount] = [bound, count];
  }
  return lowerBound;
}
