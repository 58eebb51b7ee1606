import type { Ratio } from './intervals.js';
import type { BenchReport } from './report.js';

const SIGNS = { pass: '✅', fail: '❌', inconclusive: '⚠️', unmeasured: '⚠️' } as const;

/** The verdict as a section of Markdown, for the summary of a CI job. */
export function markdownReport(report: BenchReport): string {
  const { verdict, because, kpis, limits, comparison, findings, throughput } = report;
  return [
    `## ${SIGNS[verdict]} bench: ${verdict}`,
    '',
    escaped(because),
    '',
    ...table(
      ['KPI', 'target', 'measured', 'samples', 'verdict'],
      [
        ...kpis.map((row) => [
          row.name + (row.note === undefined ? '' : ` (${row.note})`),
          `${row.comparison} ${row.target} ${row.unit}`,
          row.measured === null ? '-' : `${figure(row.measured)} ${row.unit}`,
          String(row.samples),
          row.isLeftOut === true ? 'left out' : `${SIGNS[row.verdict]} ${row.verdict}`,
        ]),
        ...limits.map(({ name, maxMs, measuredMs, verdict: one }) => [
          `${name} of the client`,
          `<= ${maxMs} ms`,
          `${figure(measuredMs)} ms`,
          '',
          `${SIGNS[one]} ${one}`,
        ]),
      ],
    ),
    '',
    `${throughput.perSecond.toFixed(0)} refreshes/s over ${(throughput.elapsedMs / 1_000).toFixed(1)} s, ${report.plan.users} users, ${report.plan.mode} loop.`,
    '',
    ...(comparison === undefined
      ? []
      : [
          `Against ${escaped(comparison.against)}:`,
          '',
          ...table(
            ['', 'this over the other', 'interval'],
            (
              [
                ['refreshes/s', comparison.rate],
                ['mean', comparison.mean],
                ['p99', comparison.p99],
              ] as const
            ).map(([name, ratio]) => [name, ...cells(ratio)]),
          ),
          '',
        ]),
    ...findings.map(({ sentence }) => `- ${escaped(sentence)}`),
    '',
  ].join('\n');
}

function cells(ratio: Ratio | undefined): readonly string[] {
  if (ratio === undefined) return ['-', 'too few runs or blocks'];
  return [ratio.ratio.toFixed(3), `${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)}`];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (row: readonly string[]): string => `| ${row.map(escaped).join(' | ')} |`;
  return [line(head), `|${head.map(() => ' --- |').join('')}`, ...rows.map(line)];
}

/** What Markdown or HTML would take for its own. */
function escaped(text: string): string {
  return text.replace(/[\\`*_|<>[\]]/g, (sign) => `\\${sign}`).replaceAll('\n', ' ');
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 3);
}
