import { describe, expect, it } from 'vitest';
import { kpiMeter } from '../../../src/observe/kpi-meter.js';
import { MergedObservations } from '../../../src/observe/merged-observations.js';
import { gaugeOf, metricValues } from '../../../src/observe/metric-reading.js';
import { metricsSink } from '../../../src/observe/metrics.js';
import { operatorMetrics } from '../../../src/observe/operator-metrics.js';
import { poolMetrics } from '../../../src/observe/pool-metrics.js';

function worker() {
  const metrics = metricsSink();
  const meter = kpiMeter({
    countRows: () => Promise.resolve(0),
    monotonicMs: () => 5_000,
    startedAtMs: 0,
    random: Math.random,
  });
  const refresh = (durationMs: number) => {
    metrics.onRequest('refresh', 'rotated', durationMs * 1000);
    meter.onRequest('refresh', 'rotated', durationMs * 1000);
    meter.onRotationEvent({ kind: 'refresh', jti: 'j', outcome: 'rotated', met: false, read: false });
  };
  return { metrics, meter, refresh };
}

async function tell(merged: MergedObservations, id: number, { metrics, meter }: ReturnType<typeof worker>) {
  merged.sawKpis(id, meter.reading());
  merged.sawMetrics(id, await metrics.snapshot());
}

const sample = async (merged: MergedObservations, name: string): Promise<string | undefined> =>
  (await merged.render())
    .split('\n')
    .find((line) => line.startsWith(name))
    ?.split(' ')[1];

describe('what several workers counted', () => {
  const kpiOf = (merged: MergedObservations, window: string) =>
    merged.kpis().kpis.find((kpi) => kpi.id === 'refresh_duration' && kpi.window === window)!;

  it('is added up, ratios out of what they are made of', async () => {
    const merged = new MergedObservations(0, () => 5_000);
    const [one, two] = [worker(), worker()];
    for (let n = 0; n < 150; n++) one.refresh(10);
    for (let n = 0; n < 50; n++) two.refresh(50);
    await tell(merged, 1, one);
    await tell(merged, 2, two);
    expect(kpiOf(merged, '1m')).toMatchObject({ value: 20, denominator: 200, verdict: 'pass' });
    expect(await sample(merged, 'carelink_token_refresh_total{outcome="rotated"}')).toBe('200');
    expect(await sample(merged, 'carelink_token_refresh_duration_seconds_count{outcome="rotated"}')).toBe(
      '200',
    );
    expect(await sample(merged, 'carelink_kpi_value{kpi="refresh_duration",window="1m"}')).toBe('20');
  });

  it('is kept when one of them dies, again and again, and its gauges are not', async () => {
    const merged = new MergedObservations(0, () => 5_000);
    for (let id = 1; id <= 3; id++) {
      const one = worker();
      for (let n = 0; n < 100; n++) one.refresh(10);
      one.metrics.onCleanupBacklog(7);
      await tell(merged, id, one);
      expect(await sample(merged, 'carelink_cleanup_backlog_rows')).toBe('7');
      merged.died(id);
      expect(await sample(merged, 'carelink_token_refresh_total{outcome="rotated"}')).toBe(String(id * 100));
      expect(await sample(merged, 'carelink_cleanup_backlog_rows')).toBeUndefined();
    }
    expect(kpiOf(merged, 'since_start')).toMatchObject({ denominator: 300 });
    expect(kpiOf(merged, '1m')).toMatchObject({ denominator: 0, verdict: 'unmeasured' });
  });

  it('of what each of them sees alike is told once: the worst of it', async () => {
    const merged = new MergedObservations(0, () => 5_000);
    const workers = [1, 2, 3].map(worker);
    workers.forEach(({ metrics }, n) => {
      metrics.onCleanupBacklog(10 * n);
      metrics.onCleanupEnd(n === 1 ? 'failed' : 'done');
      const operator = operatorMetrics(metrics.registry, { clockAheadSeconds: () => 2 });
      operator.onInvalidIndexes(1);
      operator.onStore('redis', n !== 1);
      poolMetrics(metrics.registry).watch(8, () => ({ open: 5, idle: 3, waiting: n, inDoubt: 0 }));
    });
    for (const [n, one] of workers.entries()) await tell(merged, n, one);
    const values = metricValues(await merged.snapshot());
    expect(
      Object.fromEntries(
        [
          'carelink_cleanup_backlog_rows',
          'carelink_cleanup_last_failed',
          'carelink_invalid_indexes',
          'carelink_store_up',
          'carelink_clock_ahead_seconds',
          'carelink_db_pool_size',
          'carelink_db_pool_waiting',
        ].map((name) => [name, gaugeOf(values, name)]),
      ),
    ).toEqual({
      carelink_cleanup_backlog_rows: 20,
      carelink_cleanup_last_failed: 1,
      carelink_invalid_indexes: 1,
      carelink_store_up: 0,
      carelink_clock_ahead_seconds: 2,
      carelink_db_pool_size: 24,
      carelink_db_pool_waiting: 3,
    });
    // When it was, not when it would have been for all of them added up.
    const ranAt = gaugeOf(values, 'carelink_cleanup_last_run_timestamp_seconds')!;
    expect(Math.abs(ranAt - Date.now() / 1000)).toBeLessThan(60);
  });

  it('of each metric has one help line, as Prometheus wants it', async () => {
    const merged = new MergedObservations(0, () => 5_000);
    await tell(merged, 1, worker());
    await tell(merged, 2, worker());
    merged.sawWorkers({ listening: 2, wanted: 3, deaths: 1 });
    const names = (await merged.render())
      .split('\n')
      .filter((line) => line.startsWith('# TYPE'))
      .map((line) => line.split(' ')[2]);
    expect(new Set(names).size).toBe(names.length);
    expect(await sample(merged, 'carelink_workers')).toBe('2');
    expect(await sample(merged, 'carelink_workers_wanted')).toBe('3');
    expect(await sample(merged, 'carelink_worker_deaths_total')).toBe('1');
  });
});
