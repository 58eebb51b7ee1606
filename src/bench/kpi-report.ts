import type { ServerKpis } from './server-kpis.js';

export type Verdict = 'pass' | 'fail' | 'unmeasured';

export interface KpiRow {
  readonly id: string;
  readonly name: string;
  readonly comparison: '<' | '>';
  readonly target: number;
  readonly unit: 'ms' | 'statements' | '%';
  readonly measured: number | null;
  /** What the share or mean was taken over. */
  readonly samples: number;
  /** How it was measured. */
  readonly source: string;
  readonly verdict: Verdict;
  readonly note?: string;
  /** The verdict isn't about it: it wasn't asked for, or the policy has nothing to measure. */
  readonly isLeftOut?: true;
  /** Client and server say different things, and the client's is judged. */
  readonly isApart?: true;
}

/** Of the KPI refresh_duration. */
export const KPI_MEAN_MS = 30;

/** The KPIs of the contract. A server's own `/kpis` gives the numbers; what they must be is said here. */
const KPIS = [
  {
    id: 'refresh_duration',
    name: 'refresh duration, mean',
    comparison: '<',
    target: KPI_MEAN_MS,
    unit: 'ms',
  },
  { id: 'db_queries', name: 'database queries per refresh', comparison: '<', target: 2, unit: 'statements' },
  { id: 'concurrent_refresh', name: 'concurrent refresh rate', comparison: '<', target: 1, unit: '%' },
  { id: 'cache_hit', name: 'cache hit rate', comparison: '>', target: 95, unit: '%' },
  { id: 'background', name: 'background processing rate', comparison: '>', target: 99, unit: '%' },
] as const;

/** The source of what a server would have to tell, and doesn't. */
export const NO_KPIS = 'no /kpis';

export const KPI_COUNT = KPIS.length;

/** Below this many, one event alone is more than the 1 % that targets are about. */
const MIN_SAMPLES = 100;

/** More would make a mean over successes say nothing. */
const MAX_FAILED_SHARE = 0.01;

/** Answers that couldn't be held against rows: more could hide a failure. */
const MAX_UNAUDITED_SHARE = 0.01;

/** What the client saw. */
export interface Seen {
  readonly successes: number;
  /** From the moment a refresh was due. */
  readonly meanMs: number;
  /** What of it the network takes at least. */
  readonly networkMs: number;
  /** What of it may be the generator's own lateness, at most. */
  readonly generatorMs: number;
  readonly requests: number;
  /** Requests that ended in 5xx, or in no answer at all. */
  readonly failed: number;
}

/** The KPI table. `server`: what its `/kpis` counted in the measured time; none: a server that isn't ours. Pure. */
export function kpiReport(seen: Seen, server: ServerKpis | undefined): readonly KpiRow[] {
  return KPIS.map((kpi) => {
    if (server === undefined) {
      return kpi.id === 'refresh_duration'
        ? fromOutside(kpi, seen)
        : unmeasured(kpi, 0, NO_KPIS, "can't be measured from outside: name its admin port with --admin-url");
    }
    const counted = server.kpis.get(kpi.id);
    if (counted === undefined) return unmeasured(kpi, 0, '/kpis', 'the server does not tell it');
    const { numerator, denominator } = counted;
    const row = judged(kpi, numerator, denominator, '/kpis');
    if (
      kpi.id === 'background' &&
      row.verdict !== 'fail' &&
      server.unaudited > MAX_UNAUDITED_SHARE * (denominator + server.unaudited)
    ) {
      return {
        ...row,
        verdict: 'unmeasured',
        note: `${server.unaudited} answers could not be held against rows`,
      };
    }
    if (kpi.id !== 'refresh_duration') return row;
    return failing(
      partedFrom(row, kpi, seen),
      Math.max(share(server.failed5xx, server.verified), share(seen.failed, seen.requests)),
      seen,
    );
  });
}

type Definition = (typeof KPIS)[number];

/**
 * A server sees nothing of a request before it reads it: none of what waits while it is stopped, starved or behind. Half as
 * much again and 10 ms is more than sockets and a busy neighbour add.
 */
const MIN_APART_MS = 10;
const MIN_APART_SHARE = 0.5;

/**
 * The client's mean in place of the server's, where the two part and neither network nor generator explains it. Where the
 * generator may explain it, and the client's mean misses the target, nobody knows: that is no pass.
 */
function partedFrom(row: KpiRow, kpi: Definition, seen: Seen): KpiRow {
  const { successes, meanMs, networkMs, generatorMs } = seen;
  const told = row.measured;
  if (told === null || successes < MIN_SAMPLES) return row;
  const atMostMs = meanMs - networkMs;
  const atLeastMs = atMostMs - generatorMs;
  const isApart = (ms: number): boolean => ms - told > Math.max(MIN_APART_MS, MIN_APART_SHARE * told);
  const server = `The server says ${told.toFixed(1)} ms: it doesn't see what waits to be read`;
  if (isApart(atLeastMs)) {
    const without = (networkMs + generatorMs).toFixed(1);
    return {
      ...judged(kpi, atLeastMs * successes, successes, 'client'),
      isApart: true,
      note: `${atLeastMs.toFixed(1)} ms at the client, ${without} ms for network and generator left out. ${server}`,
    };
  }
  if (row.verdict !== 'pass' || atMostMs < kpi.target || !isApart(atMostMs)) return row;
  return {
    ...row,
    verdict: 'unmeasured',
    note: `${atMostMs.toFixed(1)} ms at the client, of which the generator itself may be ${generatorMs.toFixed(1)} ms. ${server}`,
  };
}

/** The client's own latency holds the network and the generator besides: what passes here passes at the server. */
function fromOutside(kpi: Definition, seen: Seen): KpiRow {
  const row = judged(kpi, seen.meanMs * seen.successes, seen.successes, 'client, an upper bound');
  return failing(row, share(seen.failed, seen.requests), seen);
}

function failing(row: KpiRow, failedShare: number, seen: Seen): KpiRow {
  if (seen.requests < MIN_SAMPLES || failedShare <= MAX_FAILED_SHARE) return row;
  return {
    ...row,
    verdict: 'fail',
    note: `${(failedShare * 100).toFixed(1)} % of refreshes ended in 5xx or without an answer`,
  };
}

function judged(kpi: Definition, numerator: number, denominator: number, source: string): KpiRow {
  if (denominator < MIN_SAMPLES) {
    return unmeasured(kpi, denominator, source, `fewer than ${MIN_SAMPLES} samples`);
  }
  const measured = (numerator / denominator) * (kpi.unit === '%' ? 100 : 1);
  const holds = kpi.comparison === '<' ? measured < kpi.target : measured > kpi.target;
  return { ...kpi, measured, samples: denominator, source, verdict: holds ? 'pass' : 'fail' };
}

function unmeasured(kpi: Definition, samples: number, source: string, note: string): KpiRow {
  return { ...kpi, measured: null, samples, source, verdict: 'unmeasured', note };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
