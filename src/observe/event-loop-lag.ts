import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Gauge, type Registry } from 'prom-client';

/** A timer of a hundredth of a second, as prom-client has it, is half of what an idle server costs. */
const STEP_MS = 50;

/** As long as a timer can take. */
const NEVER_MS = 2 ** 31 - 1;

/** For `collectDefaultMetrics`, which then leaves the event loop alone. */
export const UNWATCHED = { eventLoopMonitoringPrecision: NEVER_MS };

/**
 * prom-client's series of the event loop's delay under their names, but without the timer's own step, so that they are 0 at rest. Each
 * tells of the time since it was read last.
 */
export function eventLoopLag(registry: Registry): void {
  const delays = monitorEventLoopDelay({ resolution: STEP_MS });
  delays.enable();
  const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e9 - STEP_MS / 1e3);
  const gauge = (of: string, aggregator: 'min' | 'average' | 'max', read: () => number): void => {
    const name = `nodejs_eventloop_lag_${of}_seconds`;
    registry.removeSingleMetric(name);
    new Gauge({
      name,
      help: `How late the event loop came to its timers since the last reading: ${of}.`,
      aggregator,
      registers: [registry],
      collect() {
        this.set(delays.count === 0 ? 0 : read());
      },
    });
  };
  gauge('min', 'min', () => late(delays.min));
  gauge('mean', 'average', () => late(delays.mean));
  gauge('stddev', 'average', () => delays.stddev / 1e9);
  for (const percent of [50, 90, 99]) {
    gauge(`p${percent}`, 'average', () => late(delays.percentile(percent)));
  }
  // The last one that is read.
  gauge('max', 'max', () => {
    const { max } = delays;
    delays.reset();
    return late(max);
  });
}
