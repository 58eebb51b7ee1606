import type { AnswerFault } from './answers.js';
import type { Regression } from './comparison.js';
import type { Finding } from './health.js';
import { KPI_COUNT, NO_KPIS, type KpiRow } from './kpi-report.js';
import type { Rotation } from './plan.js';
import type { LimitRow, RunVerdict } from './report.js';

export interface Judged {
  /** Ids that the verdict is about; all where nothing is said. */
  readonly asked?: readonly string[];
  /** Of the server; `on` where nothing is said. */
  readonly rotation?: Rotation;
  readonly kpis: readonly KpiRow[];
  readonly limits: readonly LimitRow[];
  readonly findings: readonly Finding[];
  /** What is wrong with the answers themselves. */
  readonly answers: AnswerFault | undefined;
  /** What the comparison shows to be worse than it may be. */
  readonly regression?: Regression | undefined;
  readonly mode: 'closed' | 'open';
  readonly users: number;
  readonly perSecond: number;
}

export interface Judgement {
  readonly verdict: RunVerdict;
  readonly because: string;
  /** As they were, but a miss that is excused is unmeasured: no row contradicts the verdict. */
  readonly kpis: readonly KpiRow[];
  readonly limits: readonly LimitRow[];
}

/**
 * The run's verdict, and why. A spoilt run is inconclusive; a miss that the generator or its machine may be to blame
 * for is, too; any other miss is a fail; unmeasured is never a pass. Pure.
 */
export function judge(run: Judged): Judgement {
  const nothing = withoutOf(run);
  const kpis = run.kpis.map((row) => {
    if (!isAsked(row, run)) {
      return { ...row, verdict: 'unmeasured' as const, isLeftOut: true as const, note: 'left out by --kpis' };
    }
    if (row.verdict === 'unmeasured' && nothing.has(row.id)) {
      return { ...row, isLeftOut: true as const, note: `--rotation ${run.rotation} spends no token` };
    }
    const excuse = excuseForKpi(row, run);
    return excuse === undefined
      ? row
      : { ...row, verdict: 'unmeasured' as const, note: `not to be judged: ${excuse.code}` };
  });
  const excuse = excuseFor(false, run);
  const limits = run.limits.map((row) =>
    row.verdict === 'fail' && excuse !== undefined ? { ...row, verdict: 'unmeasured' as const } : row,
  );
  return { ...verdictOf({ ...run, kpis: run.kpis.filter((row) => isAsked(row, run)) }), kpis, limits };
}

/** What was answered wrong, or not at all, is no word about the target then. */
const OWN_FAULTS: ReadonlySet<string> = new Set(['interrupted', 'not_sent']);

function verdictOf(run: Judged): Pick<Judgement, 'verdict' | 'because'> {
  const { answers } = run;
  const spoilt = run.findings.find(({ spoils }) => spoils === 'all');
  // A wrong answer is one, whatever else went wrong.
  if (answers?.kind === 'wrong' && !run.findings.some(({ code }) => OWN_FAULTS.has(code))) {
    return { verdict: 'fail', because: answers.because };
  }
  if (spoilt !== undefined) return { verdict: 'inconclusive', because: spoilt.sentence };
  if (answers !== undefined) return overloaded(answers, run);
  const [missed, excused] = misses(run);
  if (missed !== undefined) return { verdict: 'fail', because: missed };
  if (run.regression !== undefined) return regressed(run.regression, run);
  if (excused !== undefined) return { verdict: 'inconclusive', because: excused };
  const without = withoutOf(run);
  const unmeasured = run.kpis.filter(({ id, verdict }) => verdict === 'unmeasured' && !without.has(id));
  const [first] = unmeasured;
  if (first !== undefined) {
    const names = unmeasured.map(({ name }) => name).join(', ');
    return {
      verdict: 'inconclusive',
      because: `Unmeasured: ${names} (${first.note ?? first.source}).${orLeaveOut(first)}`,
    };
  }
  return { verdict: 'pass', because: held(run, without) };
}

function isAsked({ id }: KpiRow, { asked }: Judged): boolean {
  return asked === undefined || asked.includes(id);
}

function held({ asked, kpis }: Judged, without: ReadonlySet<string>): string {
  const measured = kpis.filter(({ id }) => !without.has(id));
  if (asked !== undefined && asked.length < KPI_COUNT)
    return `The KPIs that --kpis names hold: ${measured.map(({ name }) => name).join('; ')}.`;
  return without === NONE ? 'Every KPI holds.' : 'Every KPI holds that a server has which spends no token.';
}

/** A server that isn't ours has no /kpis, and is to be able to pass. */
function orLeaveOut({ source }: KpiRow): string {
  return source === NO_KPIS
    ? ' Has it none, say which KPIs the verdict is to be about: --kpis refresh_duration.'
    : '';
}

/** Refreshes came faster than they were answered: the target's fault, unless the generator or its machine was in its way. */
function overloaded({ kind, because }: AnswerFault, run: Judged): Pick<Judgement, 'verdict' | 'because'> {
  const excuse = excuseFor(false, run);
  if (excuse !== undefined) {
    return { verdict: 'inconclusive', because: `${excuse.sentence} So this run can't tell: ${because}` };
  }
  return { verdict: kind === 'too_few_sessions' ? 'inconclusive' : 'fail', because };
}

function regressed({ kind, because }: Regression, run: Judged): Pick<Judgement, 'verdict' | 'because'> {
  // In turn, whatever the machine does befalls both.
  const excuse = kind === 'worse_than_before' ? excuseFor(false, run) : undefined;
  if (excuse !== undefined) {
    return { verdict: 'inconclusive', because: `${excuse.sentence} So this run can't tell: ${because}` };
  }
  return { verdict: kind === 'not_compared' ? 'inconclusive' : 'fail', because };
}

/** Without a lock, a cache and a row there is nothing to measure. */
const OF_SPENDING: ReadonlySet<string> = new Set(['concurrent_refresh', 'cache_hit', 'background']);
const NONE: ReadonlySet<string> = new Set();

function withoutOf({ rotation }: Judged): ReadonlySet<string> {
  return rotation === 'off' || rotation === 'keep' ? OF_SPENDING : NONE;
}

/** The first miss that stands, and the first that the generator's trouble may explain. */
function misses(run: Judged): readonly [string | undefined, string | undefined] {
  let missed: string | undefined;
  let excused: string | undefined;
  for (const row of run.kpis.filter(({ verdict }) => verdict === 'fail')) {
    const excuse = excuseForKpi(row, run);
    const sentence = explain(row, run);
    if (excuse === undefined) missed ??= sentence;
    else excused ??= `${excuse.sentence} So this run can't tell: ${sentence} ${tryInstead(run)}`;
  }
  for (const { name, maxMs, measuredMs, verdict } of run.limits) {
    if (verdict === 'pass') continue;
    const excuse = excuseFor(false, run);
    const sentence = `${name} was ${measuredMs.toFixed(1)} ms, over the ${maxMs} ms that were asked for.`;
    if (excuse === undefined) missed ??= sentence;
    else excused ??= `${excuse.sentence} So this run can't tell: ${sentence}`;
  }
  return [missed, excused];
}

/** Of the KPIs only the time may be excused, and not where it is errors that are counted against it. */
function excuseForKpi(row: KpiRow, run: Judged): Finding | undefined {
  if (row.verdict !== 'fail' || row.id !== 'refresh_duration') return undefined;
  if (row.isApart === true && run.answers?.kind === 'too_few_sessions')
    return { spoils: 'latency', code: 'too_few_sessions', sentence: run.answers.because };
  if (row.note !== undefined && row.isApart !== true) return undefined;
  return excuseFor(row.source === '/kpis', run);
}

function excuseFor(measuredByServer: boolean, { findings }: Judged): Finding | undefined {
  const spoiling = (spoils: Finding['spoils']): boolean =>
    spoils === 'server_time' || (spoils === 'latency' && !measuredByServer);
  return findings.find(({ spoils }) => spoiling(spoils));
}

/** At 70 % of what it does at most a server's queues are short. */
const UNHURRIED_SHARE = 0.7;

/** A rate at which the machine has room to spare, so that the target should hold. */
function tryInstead({ perSecond }: Judged): string {
  const rate = Math.max(1, Math.floor(perSecond * UNHURRIED_SHARE));
  return `It should hold at about ${rate}/s here: check with --mode open --rate ${rate}, or measure on a quiet machine.`;
}

function explain(row: KpiRow, { mode, users, perSecond }: Judged): string {
  const measured = row.measured === null ? '' : `${format(row.measured)} ${row.unit}`;
  const missed = `${row.name} was ${measured}, and must be ${row.comparison} ${row.target} ${row.unit}.`;
  if (row.note !== undefined) return `${row.name}: ${row.note}.`;
  switch (row.id) {
    case 'refresh_duration':
      return mode === 'closed'
        ? `${missed} ${users} users who never pause wait for one another: at ${perSecond.toFixed(0)} refreshes/s a mean under ${row.target} ms takes fewer than ${Math.floor((perSecond * row.target) / 1_000)} of them, or a server that does ${Math.ceil((users * 1_000) / row.target)}/s.`
        : missed;
    case 'db_queries':
      return `${missed} Too few refreshes share a statement, or too many tokens are unknown to the cache.`;
    case 'concurrent_refresh':
      return `${missed} Clients refresh one token from several places at once: tabs that don't know of each other, or retries that come too soon.`;
    case 'cache_hit':
      return `${missed} Tokens come to an instance that has not seen them: after a restart, or because the balancer sends a user here and there.`;
    default:
      return `${missed} Answers were given whose rows were not in the database 5 s later.`;
  }
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 3);
}
