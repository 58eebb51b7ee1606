import type { EventSink } from '../rotation/events.js';
import { AnswerAudit } from './answer-audit.js';
import { KPI_COUNTERS, KpiRing, type KpiSums } from './kpi-ring.js';
import { kpisOf, type Kpi } from './kpis.js';
import type { RequestObserver, RequestOutcome } from './requests.js';
import type { StatementPurpose } from './statement-purpose.js';

const WINDOWS = [
  ['1m', 60_000],
  ['15m', 900_000],
] as const;

export type KpiWindow = (typeof WINDOWS)[number][0] | 'since_start';

const KPI_WINDOWS: readonly KpiWindow[] = [...WINDOWS.map(([name]) => name), 'since_start'];

/** What KPIs are made of: it can be added up over processes, as ratios can't. */
export interface KpiReading {
  readonly sums: Readonly<Record<KpiWindow, KpiSums>>;
  readonly auditPending: number;
}

/** What `/kpis` tells. */
export interface KpiDocument {
  /** ISO 8601. */
  readonly started_at: string;
  readonly uptime_seconds: number;
  /** Three windows of five. */
  readonly kpis: readonly (Kpi & { readonly window: KpiWindow })[];
  /** What they were made of, by window. */
  readonly counts: Readonly<Record<KpiWindow, KpiCounts>>;
  /** Answers whose rows are not due yet: `background` will count them. */
  readonly audit_pending: number;
}

/** `KpiSums` in the style of JSON. */
interface KpiCounts {
  readonly verified: number;
  readonly succeeded: number;
  readonly rotated: number;
  readonly replayed: number;
  readonly reissued: number;
  readonly failed_5xx: number;
  readonly duration_ms: number;
  readonly statements: number;
  readonly met_in_flight: number;
  readonly cached: number;
  readonly confirmed: number;
  readonly audited: number;
  readonly unaudited: number;
  /** Verified refreshes that were to spend nothing. */
  readonly unspent: number;
}

export interface KpiMeter extends RequestObserver {
  readonly onRotationEvent: EventSink;
  onStatement(purpose: StatementPurpose): void;
  /**
   * Refreshes were refused before they were read. Nobody knows whether their tokens were good, so they are no verified
   * refreshes; but a server that refuses most of what comes must not look well by its 5xx.
   */
  onRefusedUnread(count: number): void;
  /** Holds what was answered against the rows; to be called about once a second. Never rejects. */
  audit(): Promise<void>;
  /** The database goes on from an earlier point: what was answered before is to be looked for again. */
  historyCut(): void;
  reading(): KpiReading;
  read(): KpiDocument;
}

export interface KpiMeterOptions {
  /** How many of these tokens have a committed blacklist row. */
  readonly countRows: (jtis: readonly string[]) => Promise<number>;
  /** A clock that nobody sets back. */
  readonly monotonicMs: () => number;
  readonly startedAtMs: number;
  readonly random: () => number;
  readonly auditDueMs?: number;
  /** After the database's history was cut: so many of so many answers of the last minute have no row any more. */
  readonly onLooked?: (lost: number, of: number) => void;
}

/**
 * Statements that are sent for refreshes. Not: setting up a connection, health, the audit itself, verify, log-outs and
 * revocations, migrations, cleanup.
 */
const OF_REFRESHES: ReadonlySet<StatementPurpose> = new Set(['claim', 'lookup', 'write_behind']);

type Success = Extract<RequestOutcome, 'rotated' | 'replayed' | 'reissued'>;

function isSuccess(outcome: RequestOutcome): outcome is Success {
  return outcome === 'rotated' || outcome === 'replayed' || outcome === 'reissued';
}

/** Measures the five KPIs where they happen. */
export function kpiMeter(options: KpiMeterOptions): KpiMeter {
  const { monotonicMs, countRows, random, onLooked } = options;
  const bornMs = monotonicMs();
  const ring = new KpiRing(WINDOWS[1][1]);
  const audit = new AnswerAudit({
    countRows,
    random,
    ...(options.auditDueMs === undefined ? {} : { dueMs: options.auditDueMs }),
    onAudited(confirmed, audited) {
      ring.add('confirmed', confirmed, monotonicMs());
      ring.add('audited', audited, monotonicMs());
    },
    onUnaudited: (count) => ring.add('unaudited', count, monotonicMs()),
    ...(onLooked && { onLooked }),
  });
  const reading = (): KpiReading => {
    const nowMs = monotonicMs();
    const within = WINDOWS.map(([name, ms]) => [name, ring.within(ms, nowMs)] as const);
    const sums = { ...Object.fromEntries(within), since_start: ring.total() } as KpiReading['sums'];
    return { sums, auditPending: audit.pending };
  };
  return {
    onRequest(route, outcome, durationUs) {
      if (route !== 'refresh' || !isSuccess(outcome)) return;
      const nowMs = monotonicMs();
      ring.add(outcome, 1, nowMs);
      ring.add('succeeded', 1, nowMs);
      ring.add('durationUs', durationUs, nowMs);
    },
    onRotationEvent(event) {
      if (event.kind !== 'refresh') return;
      const nowMs = monotonicMs();
      ring.add('verified', 1, nowMs);
      // No cache and no lock was asked: they say nothing of how good either is.
      if (event.spends === false) ring.add('unspent', 1, nowMs);
      else if (!event.read) ring.add('cached', 1, nowMs);
      if (event.met) ring.add('met', 1, nowMs);
      if (event.outcome === 'unavailable' || event.outcome === 'broken') ring.add('failed5xx', 1, nowMs);
      if (event.outcome === 'rotated') audit.answered(event.jti, nowMs);
    },
    onStatement(purpose) {
      if (OF_REFRESHES.has(purpose)) ring.add('statements', 1, monotonicMs());
    },
    onRefusedUnread: (count) => ring.add('failed5xx', count, monotonicMs()),
    audit: () => audit.check(monotonicMs()),
    historyCut: () => audit.historyCut(monotonicMs()),
    reading,
    read: () => documentOf(reading(), options.startedAtMs, monotonicMs() - bornMs),
  };
}

/** Readings of several processes as one. */
export function mergeReadings(readings: readonly KpiReading[]): KpiReading {
  const sums = Object.fromEntries(
    KPI_WINDOWS.map((window) => [
      window,
      Object.fromEntries(
        KPI_COUNTERS.map((counter) => [
          counter,
          readings.reduce((sum, reading) => sum + reading.sums[window][counter], 0),
        ]),
      ),
    ]),
  ) as unknown as KpiReading['sums'];
  return { sums, auditPending: readings.reduce((sum, { auditPending }) => sum + auditPending, 0) };
}

/** What stays of a process that has ended: its last minutes pass, and nobody else will look for its answers' rows. */
export function retiredReading({ sums }: KpiReading): KpiReading {
  const nothing = mergeReadings([]).sums;
  return { sums: { ...nothing, since_start: sums.since_start }, auditPending: 0 };
}

/** What `/kpis` answers. */
export function documentOf(reading: KpiReading, startedAtMs: number, uptimeMs: number): KpiDocument {
  const windows = KPI_WINDOWS.map((window) => [window, reading.sums[window]] as const);
  return {
    started_at: new Date(startedAtMs).toISOString(),
    uptime_seconds: Math.round(uptimeMs) / 1000,
    kpis: windows.flatMap(([window, sums]) => kpisOf(sums).map((kpi) => ({ ...kpi, window }))),
    counts: Object.fromEntries(windows.map(([window, sums]) => [window, countsOf(sums)])) as Record<
      KpiWindow,
      KpiCounts
    >,
    audit_pending: reading.auditPending,
  };
}

function countsOf({ failed5xx, durationUs, met, ...same }: KpiSums): KpiCounts {
  return { ...same, failed_5xx: failed5xx, duration_ms: durationUs / 1000, met_in_flight: met };
}
