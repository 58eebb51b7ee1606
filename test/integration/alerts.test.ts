import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALERT_CODES } from '../../src/observe/alerts/alert.js';
import { AlertEngine } from '../../src/observe/alerts/engine.js';
import { ALERT_RULES } from '../../src/observe/alerts/rules.js';
import { readMetrics } from '../../src/observe/metric-reading.js';
import { metricsSink } from '../../src/observe/metrics.js';
import { operatorMetrics } from '../../src/observe/operator-metrics.js';
import { PgDatabase } from '../../src/store/pool.js';
import { services } from '../support/services.js';

const available = services().postgres !== undefined;

describe.skipIf(!available)('POOL_SATURATED', () => {
  let database: PgDatabase;
  beforeAll(() => {
    database = new PgDatabase({
      connection: services().postgres!,
      size: 1,
      statementTimeoutMs: 60_000,
      connectTimeoutMs: 60_000,
      applicationName: 'carelink-tokens test',
      onStatement: () => undefined,
      onIdleError: () => undefined,
    });
  });
  afterAll(() => database.end());

  it('is raised by a real pool whose statements wait, and cleared when they are done', async () => {
    const { registry } = metricsSink();
    operatorMetrics(registry, {
      pool: () => database.usage,
      poolSize: 1,
      clockAheadSeconds: () => 0,
      alertCodes: ALERT_CODES,
    });
    const engine = new AlertEngine(ALERT_RULES);
    let nowMs = 0;
    const readFor = async (seconds: number) => {
      for (const endMs = nowMs + seconds * 1000; nowMs < endMs; nowMs += 5_000) {
        engine.evaluate({ wallClockMs: nowMs, metrics: await readMetrics(registry), kpis: [] }, nowMs);
      }
      return engine.active().map(({ code, detail }) => `${code}: ${detail}`);
    };
    await database.query('health', { text: 'SELECT 1' });
    expect(await readFor(60)).toEqual([]);
    const busy = [1, 2, 3].map(() => database.query('health', { text: 'SELECT pg_sleep(0.5)' }));
    await expect.poll(() => database.usage.idle).toBe(0);
    expect(await readFor(60)).toEqual(['POOL_SATURATED: 2 wait, none is idle']);
    await Promise.all(busy);
    expect(await readFor(120)).toEqual([]);
  });
});
