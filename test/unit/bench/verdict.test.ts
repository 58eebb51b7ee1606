import { describe, expect, it } from 'vitest';
import type { Finding } from '../../../src/bench/health.js';
import { kpiReport, type Seen } from '../../../src/bench/kpi-report.js';
import type { ServerKpis } from '../../../src/bench/server-kpis.js';
import { judge, type Judged } from '../../../src/bench/verdict.js';

const SEEN: Seen = { successes: 1_000, meanMs: 12, networkMs: 1, generatorMs: 0, requests: 1_005, failed: 0 };

/** A server that meets every KPI, but for what is given. */
const server = (
  counted: Readonly<Record<string, readonly [numerator: number, denominator: number]>> = {},
  more: Partial<ServerKpis> = {},
): ServerKpis => ({
  kpis: new Map(
    Object.entries({
      refresh_duration: [10_000, 1_000] as const,
      db_queries: [50, 1_000] as const,
      concurrent_refresh: [5, 1_005] as const,
      cache_hit: [990, 1_000] as const,
      background: [1_000, 1_000] as const,
      ...counted,
    }).map(([id, [numerator, denominator]]) => [id, { numerator, denominator }]),
  ),
  verified: 1_000,
  rotated: 1_000,
  failed5xx: 0,
  unaudited: 0,
  auditPending: 0,
  ...more,
});

const run = (kpis: Judged['kpis'], more: Partial<Judged> = {}) =>
  judge({
    kpis,
    limits: [],
    findings: [],
    answers: undefined,
    mode: 'closed',
    users: 100,
    perSecond: 1_000,
    ...more,
  });

const finding = (spoils: Finding['spoils']): Finding => ({
  spoils,
  code: 'x',
  sentence: `It spoils ${spoils}.`,
});

describe('the KPI table', () => {
  it.each([
    ['refresh_duration', [30_000, 1_000], 'fail'],
    ['refresh_duration', [29_999, 1_000], 'pass'],
    ['db_queries', [2_000, 1_000], 'fail'],
    ['db_queries', [1_999, 1_000], 'pass'],
    ['concurrent_refresh', [10, 1_000], 'fail'],
    ['concurrent_refresh', [9, 1_000], 'pass'],
    ['cache_hit', [950, 1_000], 'fail'],
    ['cache_hit', [951, 1_000], 'pass'],
    ['background', [990, 1_000], 'fail'],
    ['background', [991, 1_000], 'pass'],
    ['background', [99, 99], 'unmeasured'],
  ] as const)('%s of %j: %s, and the run follows', (id, counted, verdict) => {
    const kpis = kpiReport(SEEN, server({ [id]: counted }));
    expect(kpis.find((kpi) => kpi.id === id)).toMatchObject({ verdict, samples: counted[1] });
    expect(kpis.filter((kpi) => kpi.id !== id).every((kpi) => kpi.verdict === 'pass')).toBe(true);
    expect(run(kpis).verdict).toBe(verdict === 'unmeasured' ? 'inconclusive' : verdict);
  });

  it('has what spends no token unmeasured where the policy spends none, with the reason, and the run passes', () => {
    const nothing = { concurrent_refresh: [0, 0], cache_hit: [0, 0], background: [0, 0] } as const;
    const kpis = kpiReport(SEEN, server(nothing));
    for (const rotation of ['off', 'keep'] as const) {
      const { verdict, because, kpis: rows } = run(kpis, { rotation });
      expect([verdict, because]).toEqual(['pass', expect.stringContaining('which spends no token')]);
      expect(rows.flatMap(({ id, note }) => (id in nothing ? [note] : []))).toEqual(
        Array(3).fill(`--rotation ${rotation} spends no token`),
      );
      // What it has to measure is wanted all the same.
      const few = kpiReport(SEEN, server({ ...nothing, db_queries: [1, 9] }));
      expect(run(few, { rotation }).verdict).toBe('inconclusive');
    }
    for (const rotation of ['on', 'offered'] as const)
      expect(run(kpis, { rotation }).verdict).toBe('inconclusive');
  });

  it('judges what was asked for, says which, and shows the rest as left out, met or missed', () => {
    const asked = ['refresh_duration'];
    const foreign = run(kpiReport(SEEN, undefined), { asked });
    expect([foreign.verdict, foreign.because]).toEqual([
      'pass',
      'The KPIs that --kpis names hold: refresh duration, mean.',
    ]);
    expect(foreign.kpis.slice(1).map(({ isLeftOut, verdict }) => [isLeftOut, verdict])).toEqual(
      Array(4).fill([true, 'unmeasured']),
    );
    const missed = kpiReport(SEEN, server({ cache_hit: [1, 1_000] }));
    expect(run(missed, { asked }).verdict).toBe('pass');
    expect(run(missed, { asked: ['cache_hit'] }).verdict).toBe('fail');
    expect(run(kpiReport({ ...SEEN, meanMs: 31 }, undefined), { asked }).verdict).toBe('fail');
    // And without it: how a server without /kpis can pass.
    expect(run(kpiReport(SEEN, undefined)).because).toContain('--kpis refresh_duration');
  });

  it('holds nothing against a target that this machine could not send', () => {
    const answers = { kind: 'wrong', because: 'Most were not answered.' } as const;
    const findings = [finding('all'), { ...finding('all'), code: 'not_sent' }];
    expect(run(kpiReport(SEEN, server()), { answers, findings }).verdict).toBe('inconclusive');
    expect(run(kpiReport(SEEN, server()), { answers, findings: findings.slice(0, 1) }).verdict).toBe('fail');
  });

  it('calls unmeasured what a server does not tell, or could not check, and never passes it', () => {
    const untold = server();
    const withoutCache = { ...untold, kpis: new Map([...untold.kpis].filter(([id]) => id !== 'cache_hit')) };
    for (const told of [undefined, withoutCache, server({}, { unaudited: 11 })]) {
      const kpis = kpiReport(SEEN, told);
      expect(kpis.some(({ verdict }) => verdict === 'unmeasured')).toBe(true);
      expect(run(kpis).verdict).toBe('inconclusive');
    }
  });

  it('fails where more than 1 % end in 5xx or without an answer, however fast the others were', () => {
    for (const kpis of [
      kpiReport({ ...SEEN, failed: 11 }, server()),
      kpiReport(SEEN, server({}, { failed5xx: 11 })),
    ]) {
      expect(kpis[0]).toMatchObject({ id: 'refresh_duration', verdict: 'fail' });
      expect(run(kpis).because).toContain('ended in 5xx');
    }
  });
});

describe('where client and server part', () => {
  const frozen = { ...SEEN, meanMs: 112 };
  const told = server({ refresh_duration: [18_600, 1_000] });
  const [first] = kpiReport(frozen, told);

  it("the client's mean is judged, without what network and generator may have added, and both are shown", () => {
    expect(first).toMatchObject({ verdict: 'fail', measured: 111, source: 'client' });
    expect(first!.note).toMatch(/^111\.0 ms at the client, 1\.0 ms .* The server says 18\.6 ms/);
    expect(run(kpiReport(frozen, told))).toMatchObject({
      verdict: 'fail',
      because: expect.stringContaining('The server says 18.6 ms') as string,
    });
  });

  it("the server's stands where the generator explains it, or where they don't part by much", () => {
    const server18 = { measured: 18.6, source: '/kpis', verdict: 'pass' };
    expect(kpiReport({ ...frozen, networkMs: 90 }, told)[0]).toMatchObject(server18);
    expect(kpiReport({ ...frozen, meanMs: 28.8 }, told)[0]).toMatchObject(server18);
    expect(kpiReport({ ...frozen, meanMs: 31 }, told)[0]).toMatchObject({ measured: 30, verdict: 'fail' });
  });

  it('nobody knows where the generator may explain it, and that is no pass', () => {
    const late = kpiReport({ ...frozen, generatorMs: 100 }, told);
    expect(late[0]).toMatchObject({ measured: 18.6, verdict: 'unmeasured' });
    expect(run(late)).toMatchObject({
      verdict: 'inconclusive',
      because: expect.stringContaining(
        '111.0 ms at the client, of which the generator itself may be 100.0 ms',
      ) as string,
    });
  });

  it('a machine that gave way excuses it, and so do too few sessions', () => {
    const kpis = kpiReport(frozen, told);
    expect(run(kpis, { findings: [finding('server_time')] }).verdict).toBe('inconclusive');
    const answers = { kind: 'too_few_sessions', because: 'Too few.' } as const;
    expect(run(kpis, { answers }).kpis[0]).toMatchObject({ verdict: 'unmeasured' });
    // What errors make of the row no machine excuses.
    const failed = kpiReport({ ...SEEN, failed: 11 }, server());
    expect(run(failed, { findings: [finding('server_time')] }).verdict).toBe('fail');
  });
});

describe('the verdict', () => {
  const good = kpiReport(SEEN, server());
  const slow = kpiReport(SEEN, server({ refresh_duration: [60_000, 1_000] }));

  it('is a fail where answers are wrong, whatever the KPIs say and whatever else spoils the run but an interruption', () => {
    const answers = { kind: 'wrong', because: 'Families forked.' } as const;
    const interrupted = { ...finding('all'), code: 'interrupted' };
    expect(run(good, { answers })).toMatchObject({ verdict: 'fail', because: 'Families forked.' });
    expect(run(good, { answers, findings: [finding('all')] })).toMatchObject({ verdict: 'fail' });
    expect(run(good, { answers, findings: [interrupted] })).toMatchObject({ verdict: 'inconclusive' });
  });

  it('is a fail where more was offered than came through, unless the generator or too few sessions may be the reason', () => {
    const answers = { kind: 'overloaded', because: 'Overloaded.' } as const;
    expect(run(good, { answers })).toMatchObject({ verdict: 'fail', because: 'Overloaded.' });
    expect(run(good, { answers, findings: [finding('latency')] })).toMatchObject({
      verdict: 'inconclusive',
      because: "It spoils latency. So this run can't tell: Overloaded.",
    });
    expect(run(good, { answers: { ...answers, kind: 'too_few_sessions' } }).verdict).toBe('inconclusive');
  });

  it('is inconclusive where the run is spoilt, even of a server that fails', () => {
    expect(run(slow, { findings: [finding('all')] })).toMatchObject({
      verdict: 'inconclusive',
      because: 'It spoils all.',
    });
  });

  it("excuses time, and only time, by the generator's trouble", () => {
    const limit = { name: '--max-p99', maxMs: 50, measuredMs: 60, verdict: 'fail' } as const;
    const chatty = kpiReport(SEEN, server({ db_queries: [3_000, 1_000] }));
    // The server's own time doesn't hold what the generator is late; the client's does.
    expect(run(slow, { findings: [finding('latency')] }).verdict).toBe('fail');
    expect(run(slow, { findings: [finding('server_time')] }).verdict).toBe('inconclusive');
    expect(run(good, { findings: [finding('latency')], limits: [limit] }).verdict).toBe('inconclusive');
    const excused = run(slow, { findings: [finding('server_time')], limits: [limit] });
    expect(excused.kpis[0]).toMatchObject({ id: 'refresh_duration', verdict: 'unmeasured' });
    expect(excused.limits).toEqual([{ ...limit, verdict: 'unmeasured' }]);
    expect(run(chatty, { findings: [finding('server_time')] }).verdict).toBe('fail');
    expect(run(good, { findings: [finding('latency'), finding('server_time')] }).verdict).toBe('pass');
  });

  it('says in one go that the machine gave way, and at which rate the KPI should hold', () => {
    expect(run(slow, { findings: [finding('server_time')], perSecond: 2_127 }).because).toMatch(
      /^It spoils server_time\. So this run can't tell: .*fewer than 63 of them.* It should hold at about 1488\/s here: check with --mode open --rate 1488,/,
    );
  });

  it('fails a bound that was asked for, and says which', () => {
    const limit = { name: '--max-p99', maxMs: 50, measuredMs: 60, verdict: 'fail' } as const;
    expect(run(good, { limits: [limit] })).toMatchObject({
      verdict: 'fail',
      because: '--max-p99 was 60.0 ms, over the 50 ms that were asked for.',
    });
  });

  it('fails a regression, but for one over time that the machine may explain, and never passes what could not be compared', () => {
    const worse = { kind: 'worse', because: 'Worse.' } as const;
    const before = { kind: 'worse_than_before', because: 'Worse.' } as const;
    const spoilt = { findings: [finding('server_time')] };
    expect(run(good, { regression: worse, ...spoilt })).toMatchObject({ verdict: 'fail', because: 'Worse.' });
    expect(run(good, { regression: before })).toMatchObject({ verdict: 'fail', because: 'Worse.' });
    expect(run(good, { regression: before, ...spoilt }).verdict).toBe('inconclusive');
    expect(run(good, { regression: { kind: 'not_compared', because: 'No.' } }).verdict).toBe('inconclusive');
  });

  it('explains a closed loop that is too full by how many users would do', () => {
    expect(run(slow).because).toContain('fewer than 30 of them, or a server that does 3334/s');
  });
});
