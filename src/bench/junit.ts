import type { BenchReport } from './report.js';

/** What a case has in it: nothing where it passed. */
type Outcome = { readonly kind: 'failure' | 'error' | 'skipped'; readonly message: string } | undefined;

/**
 * The verdict as CI systems read it: a case for each KPI and limit, and one for the run. What is missed is a failure, what could
 * not be told an error, what was not asked for is skipped.
 *
 * @see https://github.com/testmoapp/junitxml
 */
export function junitReport(report: BenchReport): string {
  const seconds = report.throughput.elapsedMs / 1_000;
  return suite(
    [
      ...report.kpis.map((row) => {
        const measured = row.measured === null ? 'unmeasured' : `${row.measured.toFixed(3)} ${row.unit}`;
        const message = `${measured}, must be ${row.comparison} ${row.target} ${row.unit}${row.note === undefined ? '' : `: ${row.note}`}`;
        return testCase(row.name, 0, outcome(row.isLeftOut === true ? 'left out' : row.verdict, message));
      }),
      ...report.limits.map(({ name, maxMs, measuredMs, verdict }) =>
        testCase(
          `${name} of the client`,
          0,
          outcome(verdict, `${measuredMs.toFixed(3)} ms, must be <= ${maxMs} ms`),
        ),
      ),
      testCase('the run', seconds, outcome(report.verdict, report.because)),
    ],
    report.startedAt,
  );
}

/** For a run that could not be made. */
export function junitOfError(code: string, message: string, nowIso: string): string {
  return suite([testCase('the run', 0, { kind: 'error', message: `${code}: ${message}` })], nowIso);
}

function outcome(
  verdict: 'pass' | 'fail' | 'unmeasured' | 'inconclusive' | 'left out',
  message: string,
): Outcome {
  switch (verdict) {
    case 'pass':
      return undefined;
    case 'fail':
      return { kind: 'failure', message };
    case 'left out':
      return { kind: 'skipped', message };
    default:
      return { kind: 'error', message };
  }
}

interface Case {
  readonly xml: string;
  readonly outcome: Outcome;
}

function testCase(name: string, seconds: number, result: Outcome): Case {
  const head = `    <testcase classname="carelink-tokens bench" name="${escaped(name)}" time="${seconds.toFixed(3)}"`;
  const inner = result && `><${result.kind} message="${escaped(result.message)}"/></testcase>`;
  return { xml: head + (inner ?? '/>'), outcome: result };
}

function suite(cases: readonly Case[], timestamp: string): string {
  const count = (kind: string): number => cases.filter(({ outcome: one }) => one?.kind === kind).length;
  const counts = `tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="carelink-tokens bench" ${counts} timestamp="${timestamp}">
${cases.map(({ xml }) => xml).join('\n')}
  </testsuite>
</testsuites>
`;
}

function escaped(text: string): string {
  const plain = text.replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd]/g, '');
  return plain
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
