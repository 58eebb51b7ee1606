import { describe, expect, it } from 'vitest';
import { History } from '../../../src/dashboard/browser/history.js';
import {
  gauge,
  growth,
  quantile,
  total,
  type Series,
  type Snapshot,
} from '../../../src/dashboard/browser/snapshot.js';
import { metricValues } from '../../../src/observe/metric-reading.js';
import { metricsSink } from '../../../src/observe/metrics.js';

const STARTED = '2026-01-01T00:00:00.000Z';

function snapshot(metrics: Readonly<Record<string, readonly Series[]>>, startedAt = STARTED): Snapshot {
  return {
    at: 0,
    mode: 'url',
    kpis: { started_at: startedAt, uptime_seconds: 0, kpis: [] },
    metrics,
    alerts: [],
  };
}
const counter = (value: number, startedAt?: string) =>
  snapshot({ n: [{ labels: { outcome: 'rotated' }, value }] }, startedAt);

describe("the dashboard's arithmetic", () => {
  it('sums what has the labels, and tells nothing from not there', () => {
    const one = snapshot({
      n: [
        { labels: { a: 'x' }, value: 1 },
        { labels: { a: 'y' }, value: 2 },
      ],
      empty: [],
    });
    expect([total(one, 'n'), total(one, 'n', { a: 'y' }), total(one, 'n', { a: 'z' })]).toEqual([3, 2, 0]);
    expect([total(one, 'other'), gauge(one, 'other'), total(one, 'empty'), gauge(one, 'empty')]).toEqual([
      undefined, undefined, 0, undefined,
    ]); // prettier-ignore
  });

  it('a counter that began anew with its server grew by what it has', () => {
    expect(growth(counter(5), counter(9), 'n')).toBe(4);
    expect(growth(counter(500), counter(9, '2026-01-02T00:00:00.000Z'), 'n')).toBe(9);
    expect(growth(counter(5), counter(9, '2026-01-02T00:00:00.000Z'), 'n')).toBe(9);
    expect(growth(snapshot({}), counter(9), 'n')).toBe(9);
  });

  it('quantiles of a real histogram lie in the bucket that holds them, between two snapshots', async () => {
    const sink = metricsSink();
    const read = async () => snapshot(metricValues(await sink.snapshot()));
    for (let n = 0; n < 1_000; n++) sink.onRequest('refresh', 'rotated', 900_000);
    const before = await read();
    // Of 100 refreshes since: 90 took 4 ms, 10 took 40 ms; and what was refused took a second.
    for (let n = 0; n < 100; n++) sink.onRequest('refresh', 'rotated', n < 90 ? 4_000 : 40_000);
    for (let n = 0; n < 50; n++) sink.onRequest('refresh', 'in_progress', 1_000_000);
    const now = await read();
    const of = (share: number) =>
      quantile(
        before,
        now,
        'carelink_token_refresh_duration_seconds',
        share,
        ({ outcome }) => outcome === 'rotated',
      )!;
    expect(of(0.5)).toBeGreaterThan(0.0025);
    expect(of(0.5)).toBeLessThanOrEqual(0.005);
    expect(of(0.99)).toBeGreaterThan(0.03);
    expect(of(0.99)).toBeLessThanOrEqual(0.05);
    expect(quantile(now, now, 'carelink_token_refresh_duration_seconds', 0.5)).toBeUndefined();
  });

  it('keeps ten minutes and no more, and draws no line over a gap', () => {
    const history = new History(1);
    for (let second = 0; second < 10_000; second++) history.add(second, [second]);
    expect(history.rows.map((row) => row.length)).toEqual([600, 600]);
    history.gap(10_060);
    history.add(10_060, [1]);
    expect(history.rows[1]!.slice(-3)).toEqual([9_999, null, 1]);
    // A server whose clock was set back.
    history.add(5, [1]);
    expect(history.rows).toEqual([[5], [1]]);
  });
});
