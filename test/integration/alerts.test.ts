import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AlertEngine } from '../../src/observe/alerts/engine.js';
import { ALERT_RULES } from '../../src/observe/alerts/rules.js';
import { metricValues } from '../../src/observe/metric-reading.js';
import { metricsSink } from '../../src/observe/metrics.js';
import { poolMetrics } from '../../src/observe/pool-metrics.js';
import { PgDatabase } from '../../src/store/pool.js';
import { services } from '../support/services.js';

const available = services().postgres !== undefined;

describe.skipIf(!available)('POOL_SATURATED', () => {
  const { registry } = metricsSink();
  const pool = poolMetrics(registry);
  let database: PgDatabase;
  beforeAll(() => {
    database = new PgDatabase({
      connection: services().postgres!,
      size: 1,
      statementTimeoutMs: 60_000,
      connectTimeoutMs: 60_000,
      applicationName: 'carelink-tokens test',
      onStatement: () => undefined,
      onWaiting: pool.onWaiting,
      onIdleError: () => undefined,
    });
  });
  afterAll(() => database.end());

  it('is raised by a real pool whose statements wait, and cleared when they are done', async () => {
    pool.watch(1, () => database.usage);
    const engine = new AlertEngine(ALERT_RULES);
    let nowMs = 0;
    const readFor = async (seconds: number) => {
      for (const endMs = nowMs + seconds * 1000; nowMs < endMs; nowMs += 5_000) {
        engine.evaluate(
          { wallClockMs: nowMs, metrics: metricValues(await registry.getMetricsAsJSON()), kpis: [] },
          nowMs,
        );
      }
      return engine.active().map(({ code, detail }) => `${code}: ${detail}`);
    };
    await database.query('health', { text: 'SELECT 1' });
    expect(await readFor(60)).toEqual([]);
    // Each waits for all that came before it, and none is so slow that it would look like something else.
    const busy = Array.from({ length: 8 }, () => database.query('health', { text: 'SELECT pg_sleep(0.1)' }));
    await Promise.all(busy);
    expect(await readFor(60)).toEqual([
      expect.stringMatching(/^POOL_SATURATED: \d{3} ms on average in the last minute$/),
    ]);
    expect(await readFor(120)).toEqual([]);
  });
});
