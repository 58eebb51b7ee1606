import type { BenchReport, Progress } from '../../bench/index.js';
import { openTable, plainTable } from '../tables.js';

/** What goes on, in one line. */
export function progressText({ phase, leftMs, slice }: Progress): string {
  const left = leftMs === undefined ? '' : `  ${Math.ceil(leftMs / 1_000)} s left`;
  if (slice === undefined) return `${phase}${left}`;
  const rate = (slice.successes * 1_000) / slice.durationMs;
  return `${phase}${left}  ${rate.toFixed(0)}/s  p50 ${ms(slice.p50Ms)}  p99 ${ms(slice.p99Ms)}${slice.errors === 0 ? '' : `  ${slice.errors} errors`}`;
}

/** The report for a person: the verdict first, then what it stands on. */
export function reportLines(report: BenchReport, strong: (text: string) => string): string[] {
  const verdict = `${strong(report.verdict.toUpperCase())}  ${report.because}`;
  // Interrupted before the first answer: tables of noughts say nothing.
  if (report.counts.requests === 0) return [verdict, '', 'Nothing was measured.'];
  return [
    verdict,
    '',
    headline(report),
    '',
    kpiTable(report),
    '',
    ...capacityLines(report.capacity, strong),
    ...latencyLines(report, strong),
    '',
    ...comparisonLines(report, strong),
    ...errorLines(report),
    ...countLines(report),
    generatorLine(report),
    ...report.findings.map(({ sentence }) => `  ! ${sentence}`),
  ];
}

function headline({ target, plan, throughput }: BenchReport): string {
  const how =
    plan.mode === 'closed'
      ? `${plan.users} users in a closed loop`
      : plan.profile !== undefined
        ? `${plan.profile.length} steps of --profile, ${(plan.ratePerSecond ?? 0).toFixed(1)}/s on average, ${plan.users} sessions`
        : `${plan.ratePerSecond ?? 0}/s offered (${plan.arrivals ?? ''}), ${plan.users} sessions`;
  const what = target.own ? 'a server of its own (embedded)' : target.url;
  const copies = plan.tabs > 1 ? `${plan.tabs} tabs each` : `${plan.duplicatesPercent} % sent twice`;
  return `${what}: ${how}, ${copies}: ${throughput.perSecond.toFixed(0)} refreshes/s over ${(throughput.elapsedMs / 1_000).toFixed(1)} s`;
}

function kpiTable({ kpis, limits }: BenchReport): string {
  const table = openTable(['KPI', 'target', 'measured', 'samples', 'how', 'verdict'], [2, 3]);
  for (const row of kpis) {
    const { name, comparison, target, unit, measured, samples, source, note, verdict } = row;
    // A count of statements is named in the row's name.
    const inUnit = (value: number | string): string =>
      unit === 'statements' ? `${value}` : `${value} ${unit}`;
    const value = measured === null ? '-' : inUnit(figure(measured));
    // A note says why nothing was measured.
    const how = measured === null ? '-' : source.split(',')[0];
    const said = row.isLeftOut === true ? 'left out' : verdict;
    table.push([name, `${comparison} ${inUnit(target)}`, value, String(samples), how, said]);
    if (note !== undefined) table.push([{ colSpan: 6, content: `  (${note})` }]);
  }
  for (const { name, maxMs, measuredMs, verdict } of limits) {
    table.push([
      `${name} of the client`,
      `<= ${maxMs} ms`,
      `${figure(measuredMs)} ms`,
      '',
      'client',
      verdict,
    ]);
  }
  return table.toString();
}

/** Bars of a percentile's latency, against the greatest. */
const BAR_WIDTH = 40;

function latencyLines(report: BenchReport, strong: (text: string) => string): string[] {
  const { latency, service, plan } = report;
  const rows: (readonly [string, number, number | undefined])[] = [
    ['mean', latency.mean_ms, service.mean_ms],
    ...Object.entries(latency.percentiles_ms).map(
      ([name, value]) => [name, value, service.percentiles_ms[name]] as const,
    ),
    ['max', latency.max_ms, service.max_ms],
  ];
  const open = plan.mode === 'open';
  const title = open ? 'Latency from when it was due (and from when it was sent)' : 'Latency';
  return [
    strong(`${title}, of ${latency.count} refreshes, at the client`),
    ...rows.map(([name, value, sent]) => {
      const bar = '█'.repeat(Math.max(1, Math.round((value / Math.max(latency.max_ms, 0.001)) * BAR_WIDTH)));
      const beside = open && sent !== undefined ? `(${ms(sent)})`.padStart(13) : '';
      return `  ${name.padEnd(7)}${ms(value).padStart(11)}${beside}  ${bar}`;
    }),
  ];
}

function comparisonLines(
  { comparison, throughput, latency }: BenchReport,
  strong: (text: string) => string,
): string[] {
  if (comparison === undefined) return [];
  const { other } = comparison;
  const table = plainTable(['', 'this', 'other', 'ratio', '95 % interval'], [1, 2, 3]);
  const add = (name: string, ours: number, theirs: number, ratio: typeof comparison.rate): void => {
    table.push(
      ratio === undefined
        ? [
            name,
            figure(ours),
            figure(theirs),
            ratioOf(ours, theirs),
            `too few ${comparison.kind === 'paired' ? 'blocks' : 'runs'}`,
          ]
        : [
            name,
            figure(ours),
            figure(theirs),
            ratio.ratio.toFixed(3),
            `${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)}`,
          ],
    );
  };
  add('refreshes/s', throughput.perSecond, other.perSecond, comparison.rate);
  add('mean, ms', latency.mean_ms, other.latency.mean_ms, comparison.mean);
  add(
    'p99, ms',
    latency.percentiles_ms['p99'] ?? 0,
    other.latency.percentiles_ms['p99'] ?? 0,
    comparison.p99,
  );
  const how =
    comparison.kind === 'paired'
      ? `${comparison.pairs} pairs of blocks in turn`
      : comparison.runs === 1
        ? 'one run, at another time'
        : `${comparison.runs ?? 0} runs at other times, their geometric mean`;
  return [
    strong(`Against ${comparison.against} (${how})`),
    table.toString(),
    ...differenceLines(comparison),
    '',
  ];
}

/** What of it is a difference. */
function differenceLines(comparison: NonNullable<BenchReport['comparison']>): string[] {
  if (comparison.mean === undefined) return [];
  const { differences } = comparison;
  return [
    differences.length === 0
      ? '  No difference that chance does not explain. In 95 % of comparisons all three intervals hold the truth.'
      : `  Surely different: ${differences.join(', ')}. In 95 % of comparisons all three intervals hold the truth.`,
  ];
}

function ratioOf(ours: number, theirs: number): string {
  return theirs > 0 ? (ours / theirs).toFixed(3) : '-';
}

function capacityLines(capacity: BenchReport['capacity'], strong: (text: string) => string): string[] {
  if (capacity === undefined) return [];
  return [
    strong('Search for the highest rate'),
    ...capacity.trials.map(({ ratePerSecond, reachedPerSecond, meanMs, p99Ms, miss }) => {
      const cells = [
        `${figure(ratePerSecond)}/s`.padStart(10),
        `reached ${figure(reachedPerSecond)}/s`.padStart(18),
        `mean ${ms(meanMs)}`.padStart(16),
        `p99 ${ms(p99Ms)}`.padStart(16),
      ];
      return `  ${cells.join('  ')}  ${miss === undefined ? 'holds' : 'too much'}`;
    }),
    '',
  ];
}

function errorLines({ errors }: BenchReport): string[] {
  const kinds = Object.entries(errors).sort(([, a], [, b]) => b - a);
  if (kinds.length === 0) return ['errors     none'];
  return [`errors     ${kinds.map(([kind, count]) => `${kind}: ${count}`).join(', ')}`];
}

function countLines({ counts }: BenchReport): string[] {
  const server =
    counts.rotatedByServer === undefined ? '' : `, ${counts.rotatedByServer} rotated by the server`;
  const lines = [
    `counts     ${counts.successes} answered${server}; ${counts.duplicatesSent} duplicates sent, ${counts.duplicatesRefused} refused, ${counts.forks} forks`,
  ];
  if (counts.waitedForSession > 0)
    lines.push(
      `           ${counts.waitedForSession} were due while every session was in flight, and waited; ${counts.backlog} still did when the time was up`,
    );
  if (counts.lostSessions > 0) lines.push(`           ${counts.lostSessions} sessions lost their token`);
  return lines;
}

function generatorLine({ generator, sendLag }: BenchReport): string {
  const lag = sendLag === undefined ? '' : `, sent ${ms(sendLag.percentiles_ms['p99'] ?? 0)} late at p99`;
  return (
    `generator  ${percent(generator.cpuShare)} of a core, machine ${percent(generator.machineBusyShare)} busy, ` +
    `loop ${ms(generator.loopDelayP99Ms)} late at p99${lag}; against a null server ${generator.nullPerSecond.toFixed(0)}/s`
  );
}

function ms(value: number): string {
  return `${figure(value)} ms`;
}

function figure(value: number): string {
  if (value >= 1_000) return value.toFixed(0);
  if (value >= 100) return value.toFixed(1);
  return value.toFixed(value >= 10 ? 2 : 3);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
