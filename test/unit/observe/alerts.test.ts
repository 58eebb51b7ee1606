import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Histogram } from 'prom-client';
import { ALERT_CODES, type AlertCode, type Reading } from '../../../src/observe/alerts/alert.js';
import { AlertEngine, type Changes } from '../../../src/observe/alerts/engine.js';
import { ALERT_RULES } from '../../../src/observe/alerts/rules.js';
import { kpisOf } from '../../../src/observe/kpis.js';
import { KPI_COUNTERS, type KpiSums } from '../../../src/observe/kpi-ring.js';
import { MergedObservations } from '../../../src/observe/merged-observations.js';
import { metricValues } from '../../../src/observe/metric-reading.js';
import { metricsSink } from '../../../src/observe/metrics.js';
import { refusalMetrics, Refusals } from '../../../src/observe/refusals.js';
import { mintRefresh } from '../../support/tokens.js';
import { operatorMetrics, type OperatorMetrics } from '../../../src/observe/operator-metrics.js';
import { poolMetrics } from '../../../src/observe/pool-metrics.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const STEP = 5 * SECOND;

/** A server's own metrics, a clock that the test moves, and the engine. */
class World {
  readonly sink = metricsSink();
  aheadSeconds = 0;
  sums: KpiSums = Object.fromEntries(KPI_COUNTERS.map((name) => [name, 0])) as unknown as KpiSums;
  readonly operator: OperatorMetrics;
  readonly workers = new MergedObservations(0, () => 0);
  readonly #waits: Histogram;
  readonly #engine = new AlertEngine(ALERT_RULES);
  readonly #refusals = new Refusals(() => this.#nowMs);
  #nowMs = 0;

  constructor() {
    const { registry } = this.sink;
    this.operator = operatorMetrics(registry, { clockAheadSeconds: () => this.aheadSeconds });
    poolMetrics(registry);
    refusalMetrics(registry, this.#refusals);
    this.#waits = registry.getSingleMetric('carelink_db_pool_wait_seconds') as Histogram;
  }

  waited(times: number, seconds: number): void {
    for (let n = 0; n < times; n++) this.#waits.observe(seconds);
  }

  refreshed(times = 1): void {
    for (let n = 0; n < times; n++) this.sink.onRequest('refresh', 'rotated', 5_000);
  }

  refused(token: string, client: string, outcome: 'invalid' | 'malformed' | 'inactive' = 'invalid'): void {
    this.sink.onRequest('refresh', outcome, 500);
    this.#refusals.saw(outcome, token, client);
  }

  /** Reads every 5 s for so long; `each` happens before each reading. */
  async pass(ms: number, each: () => void = () => undefined): Promise<Changes> {
    const raised = [];
    const cleared = [];
    for (let passed = 0; passed < ms; passed += STEP) {
      this.#nowMs += STEP;
      each();
      const reading: Reading = {
        wallClockMs: this.#nowMs,
        metrics: metricValues([...(await this.sink.snapshot()), ...(await this.workers.snapshot())]),
        kpis: kpisOf(this.sums).map((kpi) => ({ ...kpi, window: '1m' })),
      };
      const changes = this.#engine.evaluate(reading, this.#nowMs);
      raised.push(...changes.raised);
      cleared.push(...changes.cleared);
    }
    return { raised, cleared };
  }

  active(): readonly AlertCode[] {
    return this.#engine.active().map(({ code }) => code);
  }
}

interface Case {
  readonly code: AlertCode;
  /** Makes it so, and keeps it so; called before each reading. */
  readonly wrong: (world: World) => void;
  readonly mended: (world: World) => void;
  readonly notBeforeMs: number;
  readonly detail: RegExp;
}

const good: KpiSums = {
  verified: 1_000, succeeded: 1_000, rotated: 1_000, replayed: 0, failed5xx: 0, durationUs: 5e6, statements: 50, met: 0,
  cached: 1_000, confirmed: 1_000, audited: 1_000, unaudited: 0,
  reissued: 0,
  unspent: 0,
}; // prettier-ignore

let depth = 0;
let clients = 0;
const newClient = () => `10.0.0.${(clients = (clients + 1) % 250)}`;
const newToken = () => mintRefresh().token;

const CASES: readonly Case[] = [
  { code: 'STORE_DOWN', notBeforeMs: 0, detail: /redis is down/,
    wrong: (w) => w.operator.onStore('redis', false), mended: (w) => w.operator.onStore('redis', true) },
  { code: 'WORKER_DIED', notBeforeMs: 0, detail: /0 died in the last minute, 1 of 2 listen/,
    wrong: (w) => w.workers.sawWorkers({ listening: 1, wanted: 2, deaths: 0 }),
    mended: (w) => w.workers.sawWorkers({ listening: 2, wanted: 2, deaths: 0 }) },
  { code: 'HISTORY_CUT', notBeforeMs: 0, detail: /at least 7 answered refreshes/,
    wrong: (w) => { w.operator.onHistoryCut(); w.operator.onCommitsLost(7); }, mended: () => undefined },
  { code: 'DOUBLE_SPEND', notBeforeMs: 0, detail: /1 in the last minute/,
    wrong: (w) => w.sink.onRotationEvent({ kind: 'reuse', reuse: 'second_claim', userKey: 'u17' }),
    mended: () => undefined },
  { code: 'REFUSALS_UNUSUAL', notBeforeMs: 45 * SECOND, detail: /^10 of \d\d refreshes .* were invalid: look at key, algorithm/,
    wrong: (w) => { w.refused(newToken(), newClient()); w.refreshed(); }, mended: (w) => w.refreshed() },
  { code: 'KPI_MISSED', notBeforeMs: 3 * MINUTE, detail: /token refresh duration: 50\.00 ms, and is to be < 30/,
    wrong: (w) => (w.sums = { ...good, durationUs: 50e6 }), mended: (w) => (w.sums = good) },
  { code: 'BACKGROUND_LAG', notBeforeMs: 10 * SECOND, detail: /waits 7\.5 s/,
    wrong: (w) => w.sink.watchOutbox(() => ({ depth: 10, lagMs: 7_500 })),
    mended: (w) => w.sink.watchOutbox(() => ({ depth: 10, lagMs: 100 })) },
  { code: 'OUTBOX_GROWTH', notBeforeMs: 2 * MINUTE, detail: /entries, \d+ a minute ago/,
    wrong: (w) => { depth += 1_000; w.sink.watchOutbox(() => ({ depth, lagMs: 0 })); },
    mended: (w) => w.sink.watchOutbox(() => ({ depth: (depth = 0), lagMs: 0 })) },
  { code: 'DEAD_LETTERS', notBeforeMs: 0, detail: /3 are kept/,
    wrong: (w) => w.operator.onDeadLetters(3), mended: (w) => w.operator.onDeadLetters(0) },
  { code: 'WRITES_REFUSED', notBeforeMs: 0, detail: /2 in the last minute/,
    wrong: (w) => { w.operator.onWriteRefused(); w.operator.onWriteRefused(); }, mended: () => undefined },
  { code: 'POOL_SATURATED', notBeforeMs: 30 * SECOND, detail: /\d{2} ms on average/,
    wrong: (w) => w.waited(5, 0.05), mended: (w) => w.waited(500, 0.0001) },
  { code: 'SLOW_COMMITS', notBeforeMs: 30 * SECOND, detail: /\d{3} ms on average/,
    wrong: (w) => { for (let n = 0; n < 5; n++) w.operator.onClaimStatement(0.3); },
    mended: (w) => { for (let n = 0; n < 500; n++) w.operator.onClaimStatement(0.002); } },
  { code: 'CLOCK_SKEW', notBeforeMs: 0, detail: /3\.0 s behind/,
    wrong: (w) => (w.aheadSeconds = -3), mended: (w) => (w.aheadSeconds = 0.01) },
  { code: 'CLEANUP_FAILED', notBeforeMs: 0, detail: /last run/,
    wrong: (w) => w.sink.onCleanupEnd('failed'), mended: (w) => w.sink.onCleanupEnd('done') },
  { code: 'CLEANUP_BACKLOG', notBeforeMs: 0, detail: /2000000 rows/,
    wrong: (w) => w.sink.onCleanupBacklog(2_000_000), mended: (w) => w.sink.onCleanupBacklog(0) },
  { code: 'INVALID_INDEX', notBeforeMs: 0, detail: /1 of/,
    wrong: (w) => w.operator.onInvalidIndexes(1), mended: (w) => w.operator.onInvalidIndexes(0) },
  { code: 'CERTIFICATE_EXPIRES', notBeforeMs: 0, detail: /--tls-cert, in 2 days/,
    wrong: (w) => w.operator.onCertificate('tls', 3 * 86_400), mended: (w) => w.operator.onCertificate('tls', 90 * 86_400) },
]; // prettier-ignore

describe('alerts', () => {
  it('every code has a rule, a case here, and an entry in docs/reference/alerts.md', () => {
    expect(ALERT_RULES.map(({ code }) => code)).toEqual(ALERT_CODES);
    expect(CASES.map(({ code }) => code)).toEqual(ALERT_CODES);
    const manual = readFileSync(new URL('../../../docs/reference/alerts.md', import.meta.url), 'utf8');
    const entries = manual.split('\n## ').slice(1);
    for (const code of ALERT_CODES) {
      const entry = entries.find((one) => one.startsWith(`${code}\n`));
      expect(entry, code).toBeDefined();
      for (const part of ['**Means.**', '**Look.**', '**Do.**']) expect(entry, code).toContain(part);
    }
  });

  it('a server that is well raises none', async () => {
    const world = new World();
    world.sums = good;
    expect((await world.pass(10 * MINUTE)).raised).toEqual([]);
  });

  it.each(CASES)('$code: is raised once, after its time, and cleared when it is over', async (one) => {
    const world = new World();
    world.sums = good;
    one.mended(world);
    await world.pass(2 * MINUTE);
    const early = await world.pass(one.notBeforeMs, () => one.wrong(world));
    expect(early.raised).toEqual([]);
    const late = await world.pass(5 * MINUTE, () => one.wrong(world));
    expect(late.raised.map(({ code }) => code)).toEqual([one.code]);
    expect(late.raised[0]!.detail).toMatch(one.detail);
    expect(late.cleared).toEqual([]);
    expect(world.active()).toEqual([one.code]);
    const over = await world.pass(15 * MINUTE, () => one.mended(world));
    expect(over.cleared.map(({ code }) => code)).toEqual([one.code]);
    expect([over.raised, world.active()]).toEqual([[], []]);
    expect(JSON.stringify(late)).not.toContain('u17');
  });

  it('what comes and goes within its time is no alert, and what goes for a moment is not over', async () => {
    const world = new World();
    world.sums = good;
    const lag = (lagMs: number) => world.sink.watchOutbox(() => ({ depth: 10, lagMs }));
    lag(7_500);
    await world.pass(10 * SECOND);
    lag(0);
    await world.pass(5 * SECOND);
    lag(7_500);
    expect((await world.pass(10 * SECOND)).raised).toEqual([]);
    expect((await world.pass(10 * SECOND)).raised).toHaveLength(1);
    lag(0);
    expect((await world.pass(20 * SECOND)).cleared).toEqual([]);
    lag(7_500);
    expect(await world.pass(2 * MINUTE)).toEqual({ raised: [], cleared: [] });
  });

  it('a worker that dies and is there again at once is told for a minute, and then it is over', async () => {
    const world = new World();
    const listen = (deaths: number) => world.workers.sawWorkers({ listening: 2, wanted: 2, deaths });
    const told = ({ raised, cleared }: Changes) =>
      [raised, cleared].map((alerts) => alerts.map(({ code, detail }) => `${code}: ${detail}`));
    const death = 'WORKER_DIED: 1 died in the last minute, 2 of 2 listen';
    listen(0);
    await world.pass(MINUTE);
    listen(1);
    expect(told(await world.pass(STEP))).toEqual([[death], []]);
    // A minute, and the 10 s for which it must be over.
    expect(told(await world.pass(MINUTE))).toEqual([[], []]);
    expect(told(await world.pass(2 * STEP))).toEqual([[], [death]]);
    // It is the second one that died, not the first one again.
    listen(2);
    expect(told(await world.pass(STEP))).toEqual([[death], []]);
    expect(told(await world.pass(MINUTE + 2 * STEP))).toEqual([[], [death]]);
    expect(told(await world.pass(5 * MINUTE))).toEqual([[], []]);
  });

  it('somebody who tries tokens at one address, and many who send what is no token, raise nothing', async () => {
    const world = new World();
    const passed = await world.pass(10 * MINUTE, () => {
      world.refreshed();
      for (let n = 0; n < 50; n++) world.refused(newToken(), '203.0.113.7');
      for (let n = 0; n < 50; n++) world.refused('x'.repeat(40), newClient());
      world.refused(mintRefresh({ iatSeconds: 1 }).token, newClient());
    });
    expect(passed).toEqual({ raised: [], cleared: [] });
  });

  it('one client that sends one broken token in a loop raises nothing, though nobody else is there', async () => {
    const world = new World();
    const token = newToken();
    expect((await world.pass(10 * MINUTE, () => world.refused(token, '203.0.113.7'))).raised).toEqual([]);
  });

  it('a site behind one address whose users are all refused raises it, by what is refused', async () => {
    const world = new World();
    const { raised } = await world.pass(2 * MINUTE, () =>
      world.refused(newToken(), '203.0.113.7', 'inactive'),
    );
    expect(raised.map(({ code, subject }) => [code, subject])).toEqual([['REFUSALS_UNUSUAL', 'inactive']]);
    expect(raised[0]!.detail).toMatch(/100 %.*look at user table/);
  });

  it('each KPI that is missed is told by itself', async () => {
    const world = new World();
    world.sums = { ...good, durationUs: 50e6, cached: 500 };
    const { raised } = await world.pass(5 * MINUTE);
    expect(raised.map(({ subject }) => subject).sort()).toEqual(['cache_hit', 'refresh_duration']);
  });
});
