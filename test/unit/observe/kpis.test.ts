import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KPI_COUNTERS, type KpiSums } from '../../../src/observe/kpi-ring.js';
import { kpisOf, MIN_SAMPLES, type KpiId } from '../../../src/observe/kpis.js';

const HEALTHY: KpiSums = {
  verified: 1000, succeeded: 1000, rotated: 1000, replayed: 0, failed5xx: 0, durationUs: 20_000_000, statements: 50,
  met: 5, cached: 990, confirmed: 1000, audited: 1000, unaudited: 0,
  reissued: 0,
  unspent: 0,
}; // prettier-ignore

const of = (sums: Partial<KpiSums>, id: KpiId) =>
  kpisOf({ ...HEALTHY, ...sums }).find((kpi) => kpi.id === id)!;

describe('the five KPIs', () => {
  it('pass on a good day', () => {
    expect(kpisOf(HEALTHY).map(({ id, verdict, value }) => [id, verdict, value])).toEqual([
      ['refresh_duration', 'pass', 20],
      ['db_queries', 'pass', 0.05],
      ['concurrent_refresh', 'pass', 0.5],
      ['cache_hit', 'pass', 99],
      ['background', 'pass', 100],
    ]);
  });

  it.each([
    ['refresh_duration', { durationUs: 30_000_000 }],
    ['refresh_duration', { failed5xx: 11 }],
    ['db_queries', { statements: 2000 }],
    ['concurrent_refresh', { met: 10 }],
    ['cache_hit', { cached: 950 }],
    ['background', { confirmed: 990 }],
  ] as const)('%s fails at its bound: %o', (id, sums) => {
    expect(of(sums, id).verdict).toBe('fail');
    const others = kpisOf({ ...HEALTHY, ...sums }).filter((kpi) => kpi.id !== id);
    expect(others.map(({ verdict }) => verdict)).toEqual(['pass', 'pass', 'pass', 'pass']);
  });

  it('background is unmeasured where answers could not be held against rows', () => {
    expect(of({ unaudited: 11 }, 'background').verdict).toBe('unmeasured');
    expect(of({ unaudited: 10 }, 'background').verdict).toBe('pass');
  });

  it('a server that answers nothing but 5xx fails, and is not unmeasured', () => {
    expect(of({ succeeded: 0, durationUs: 0, failed5xx: 1000 }, 'refresh_duration')).toMatchObject({
      verdict: 'fail',
      value: null,
    });
  });

  it('none passes on fewer than the samples it takes', () => {
    const few = Object.fromEntries(KPI_COUNTERS.map((name) => [name, fc.nat(MIN_SAMPLES - 1)]));
    fc.assert(
      fc.property(fc.record(few), (sums) => {
        for (const kpi of kpisOf(sums as unknown as KpiSums)) expect(kpi.verdict).toBe('unmeasured');
      }),
    );
  });
});

describe('a site that spends no token', () => {
  const off = { rotated: 0, reissued: 1000, unspent: 1000, met: 0, cached: 0, confirmed: 0, audited: 0 };

  it('has no lock, cache or row to be measured by, and says so; time and statements are measured', () => {
    for (const id of ['concurrent_refresh', 'cache_hit', 'background'] as const)
      expect(of(off, id)).toMatchObject({ verdict: 'unmeasured', note: 'no token is spent by this policy' });
    for (const id of ['refresh_duration', 'db_queries'] as const)
      expect(of(off, id)).toMatchObject({ verdict: 'pass' });
  });

  it('and where both kinds come, the shares are of those that are spent', () => {
    const half = { rotated: 500, reissued: 500, unspent: 500, cached: 490, met: 2 };
    expect(of(half, 'cache_hit')).toMatchObject({ denominator: 500, verdict: 'pass' });
    expect(of(half, 'concurrent_refresh')).toMatchObject({ denominator: 500, verdict: 'pass' });
  });
});
