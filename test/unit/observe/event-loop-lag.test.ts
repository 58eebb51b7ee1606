import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { metricsSink } from '../../../src/observe/metrics.js';

async function lags(sink: ReturnType<typeof metricsSink>): Promise<Record<string, number>> {
  const named = (await sink.snapshot()).flatMap(({ name, values }) => {
    const [, of] = /^nodejs_eventloop_lag_(\w+)_seconds$/.exec(name) ?? [];
    return of === undefined ? [] : [[of, values[0]?.value] as const];
  });
  return Object.fromEntries(named) as Record<string, number>;
}

const NONE = { min: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0, max: 0 };

function hold(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

describe("the event loop's lag", () => {
  it('is what came late of a timer, and not the timer itself; and of the time since it was read last', async () => {
    const sink = metricsSink();
    expect(await lags(sink)).toEqual(NONE);
    await sleep(120);
    hold(400);
    await sleep(120);
    const held = await lags(sink);
    expect(held['max']).toBeGreaterThan(0.3);
    expect(held['max']).toBeLessThan(10);
    expect(held['p99']).toBe(held['max']);
    expect(held['min']).toBeLessThan(0.3);
    // Nothing can have come late between two readings in one turn.
    expect(await lags(sink)).toEqual(NONE);
  });
});
