import type { KpiSums } from './kpi-ring.js';

export const KPI_IDS = [
  'refresh_duration',
  'db_queries',
  'concurrent_refresh',
  'cache_hit',
  'background',
] as const;

export type KpiId = (typeof KPI_IDS)[number];

/** Unmeasured is never a pass: there was too little to judge by, or what there was can't be trusted. */
export type KpiVerdict = 'pass' | 'fail' | 'unmeasured';

export interface Kpi {
  readonly id: KpiId;
  readonly name: string;
  readonly comparison: '<' | '>';
  /** In `unit`. */
  readonly target: number;
  /** In `unit`; null where nothing was counted. */
  readonly value: number | null;
  readonly unit: 'ms' | 'statements' | '%';
  readonly verdict: KpiVerdict;
  readonly numerator: number;
  readonly denominator: number;
  /** Why the verdict isn't what value and target alone would make it. */
  readonly note?: string;
}

/** Below this many, one event alone is more than the 1 % that targets are about. */
export const MIN_SAMPLES = 100;

/** A mean over successes says nothing of a server that refuses the rest. */
const MAX_5XX_SHARE = 0.01;

/** Of answers that could not be held against rows: beyond it they could hide a failure. */
const MAX_UNAUDITED_SHARE = 0.01;

/** The five KPIs of one window. Pure. */
export function kpisOf(sums: KpiSums): readonly Kpi[] {
  const { verified, succeeded, failed5xx, audited, unaudited, unspent } = sums;
  // Where nothing is spent there is no lock to meet at and no cache to hit.
  const spending = verified - unspent;
  const duration = judged({
    id: 'refresh_duration',
    name: 'token refresh duration',
    comparison: '<',
    target: 30,
    unit: 'ms',
    numerator: sums.durationUs / 1000,
    denominator: succeeded,
  });
  // Those refused unread are not among the verified.
  const share = verified === 0 ? 0 : Math.min(1, failed5xx / verified);
  const broken = verified >= MIN_SAMPLES && share > MAX_5XX_SHARE;
  const background = judged({
    id: 'background',
    name: 'background processing rate',
    comparison: '>',
    target: 99,
    unit: '%',
    numerator: sums.confirmed,
    denominator: audited,
  });
  // A site that spends no token has no cache, no lock and no row that could be measured.
  const idle = spending === 0 && unspent > 0;
  const blind = unaudited > MAX_UNAUDITED_SHARE * (audited + unaudited);
  const kpis: readonly Kpi[] = [
    broken ? { ...duration, verdict: 'fail', note: `${percent(share)} of refreshes ended in 5xx` } : duration,
    judged({
      id: 'db_queries',
      name: 'database queries per refresh',
      comparison: '<',
      target: 2,
      unit: 'statements',
      numerator: sums.statements,
      denominator: succeeded,
    }),
    judged({
      id: 'concurrent_refresh',
      name: 'concurrent refresh rate',
      comparison: '<',
      target: 1,
      unit: '%',
      numerator: sums.met,
      denominator: spending,
    }),
    judged({
      id: 'cache_hit',
      name: 'cache hit rate',
      comparison: '>',
      target: 95,
      unit: '%',
      numerator: sums.cached,
      denominator: spending,
    }),
    blind
      ? { ...background, verdict: 'unmeasured', note: `${unaudited} answers could not be held against rows` }
      : background,
  ];
  return idle ? kpis.map((kpi) => (OF_SPENDING.has(kpi.id) ? unspentKpi(kpi) : kpi)) : kpis;
}

const OF_SPENDING: ReadonlySet<KpiId> = new Set(['concurrent_refresh', 'cache_hit', 'background']);

function unspentKpi(kpi: Kpi): Kpi {
  return { ...kpi, value: null, verdict: 'unmeasured', note: 'no token is spent by this policy' };
}

function judged(kpi: Omit<Kpi, 'value' | 'verdict'>): Kpi {
  const { numerator, denominator, unit, comparison, target } = kpi;
  const ratio = denominator === 0 ? null : numerator / denominator;
  const value = ratio === null ? null : ratio * (unit === '%' ? 100 : 1);
  if (value === null || denominator < MIN_SAMPLES) {
    return { ...kpi, value, verdict: 'unmeasured', note: `fewer than ${MIN_SAMPLES} samples` };
  }
  const holds = comparison === '<' ? value < target : value > target;
  return { ...kpi, value, verdict: holds ? 'pass' : 'fail' };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
