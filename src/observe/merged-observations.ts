import { Counter, Gauge, Registry } from 'prom-client';
import { documentOf, mergeReadings, retiredReading, type KpiDocument, type KpiReading } from './kpi-meter.js';
import { countsOf, mergeMetrics, type MetricsSnapshot } from './merged-metrics.js';
import { registerKpis } from './kpi-metrics.js';

export interface WorkerCounts {
  readonly listening: number;
  readonly wanted: number;
  readonly deaths: number;
}

/**
 * What the workers of one server have counted, as one: of those that live what they last told, of those that died what
 * they had told before. A worker that is killed takes along what it counted since.
 */
export class MergedObservations {
  readonly #startedAtMs: number;
  readonly #bornMs: number;
  readonly #monotonicMs: () => number;
  readonly #readings = new Map<number, KpiReading>();
  readonly #snapshots = new Map<number, MetricsSnapshot>();
  #retiredReading: KpiReading | undefined;
  /** Counters that fall would look like a restart of the whole. */
  #retired: MetricsSnapshot[] = [];
  readonly #own = new Registry();
  readonly #listening: Gauge;
  readonly #wanted: Gauge;
  readonly #deaths: Counter;

  constructor(startedAtMs: number, monotonicMs: () => number) {
    this.#startedAtMs = startedAtMs;
    this.#monotonicMs = monotonicMs;
    this.#bornMs = monotonicMs();
    const registers = [this.#own];
    this.#listening = new Gauge({
      name: 'carelink_workers',
      help: 'Worker processes that listen.',
      registers,
    });
    this.#wanted = new Gauge({
      name: 'carelink_workers_wanted',
      help: 'Worker processes that there should be.',
      registers,
    });
    this.#deaths = new Counter({
      name: 'carelink_worker_deaths_total',
      help: 'Worker processes that ended though nobody had asked them to.',
      registers,
    });
    registerKpis(this.#own, () => this.kpis());
  }

  /** Where the process that speaks for all registers what is its own. */
  get registry(): Registry {
    return this.#own;
  }

  get contentType(): string {
    return this.#own.contentType;
  }

  sawKpis(workerId: number, reading: KpiReading): void {
    this.#readings.set(workerId, reading);
  }

  sawMetrics(workerId: number, snapshot: MetricsSnapshot): void {
    this.#snapshots.set(workerId, snapshot);
  }

  sawWorkers({ listening, wanted, deaths }: WorkerCounts): void {
    this.#listening.set(listening);
    this.#wanted.set(wanted);
    this.#deaths.reset();
    this.#deaths.inc(deaths);
  }

  died(workerId: number): void {
    const reading = this.#readings.get(workerId);
    if (reading !== undefined) {
      const before = this.#retiredReading === undefined ? [] : [this.#retiredReading];
      this.#retiredReading = mergeReadings([...before, retiredReading(reading)]);
    }
    const snapshot = this.#snapshots.get(workerId);
    if (snapshot !== undefined) this.#retired.push(countsOf(snapshot));
    this.#readings.delete(workerId);
    this.#snapshots.delete(workerId);
  }

  kpis(): KpiDocument {
    const retired = this.#retiredReading === undefined ? [] : [this.#retiredReading];
    const merged = mergeReadings([...this.#readings.values(), ...retired]);
    return documentOf(merged, this.#startedAtMs, this.#monotonicMs() - this.#bornMs);
  }

  async render(): Promise<string> {
    return `${(await (await this.#merged()).render()).trimEnd()}\n\n${await this.#own.metrics()}`;
  }

  /** What `render` says, as data. */
  async snapshot(): Promise<MetricsSnapshot> {
    return [...(await (await this.#merged()).snapshot()), ...(await this.#own.getMetricsAsJSON())];
  }

  async #merged(): Promise<ReturnType<typeof mergeMetrics>> {
    // However many have died: one snapshot is enough for them.
    if (this.#retired.length > 1) this.#retired = [await mergeMetrics(this.#retired).snapshot()];
    return mergeMetrics([...this.#snapshots.values(), ...this.#retired]);
  }
}
