import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { BenchReport } from './report.js';

/** The report as one page that needs no network: the plotter and the data are in it. */
export function htmlReport(report: BenchReport): string {
  const uplot = createRequire(import.meta.url).resolve('uplot/dist/uPlot.iife.min.js');
  const script = readFileSync(uplot, 'utf8');
  const style = readFileSync(uplot.replace('uPlot.iife.min.js', 'uPlot.min.css'), 'utf8');
  const page = readFileSync(new URL('../bench/report-page.js', import.meta.url), 'utf8');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>carelink-tokens bench: ${escaped(report.verdict)}</title>
<style>${style}${STYLE}</style>
</head>
<body>
<main>
<h1><span class="verdict ${report.verdict}">${escaped(report.verdict)}</span> ${escaped(report.because)}</h1>
<p class="quiet">${escaped(subtitle(report))}</p>
${kpiTable(report)}
${comparisonTable(report)}
<h2>Latency by percentile</h2>
<div id="percentiles"></div>
<h2>Timeline</h2>
<div id="timeline"></div>
<div id="rate"></div>
<div class="columns">
${table('Latency (ms)', latencyRows(report))}
${table('Counts', countRows(report))}
${table('Generator', generatorRows(report))}
</div>
${report.findings.length === 0 ? '' : `<h2>The run itself</h2><ul>${report.findings.map(({ sentence }) => `<li>${escaped(sentence)}</li>`).join('')}</ul>`}
</main>
<script type="application/json" id="report">${JSON.stringify(report).replaceAll('<', '\\u003c')}</script>
<script>${script}</script>
<script type="module">${page.replace(/^export .*$/m, '')}</script>
</body>
</html>
`;
}

const STYLE = `
:root{color-scheme:light dark;--fg:#1c2733;--quiet:#5b6b7b;--bg:#fff;--line:#dde3ea;--pass:#0a7d3f;--fail:#b3261e;--open:#8a5a00}
@media (prefers-color-scheme:dark){:root{--fg:#e3e9ef;--quiet:#9aa8b6;--bg:#14191f;--line:#2c3640;--pass:#4fc27f;--fail:#ff7a70;--open:#e0a63a}}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
main{max-width:960px;margin:0 auto;padding:24px}
h1{font-size:20px;font-weight:600}h2{font-size:16px;margin:28px 0 8px}
.quiet{color:var(--quiet)}
.verdict{text-transform:uppercase;font-size:14px;padding:3px 9px;border-radius:5px;color:#fff;margin-right:6px}
.verdict.pass{background:#0a7d3f}.verdict.fail{background:#b3261e}.verdict.inconclusive{background:#8a5a00}
main,section{min-width:0}.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right}
td.pass{color:var(--pass)}td.fail{color:var(--fail)}td.unmeasured{color:var(--open)}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(260px,1fr));gap:0 28px}
.uplot{margin-top:6px}.u-legend{color:var(--fg)}
`;

function subtitle({ target, plan, throughput, startedAt }: BenchReport): string {
  const how =
    plan.mode === 'closed'
      ? `${plan.users} users in a closed loop`
      : `${plan.ratePerSecond ?? 0}/s offered (${plan.arrivals ?? ''}) to ${plan.users} sessions`;
  const what = target.own ? 'a server of its own' : target.url;
  return `${what} · ${how} · ${throughput.perSecond.toFixed(0)} refreshes/s over ${(throughput.elapsedMs / 1000).toFixed(1)} s · seed ${plan.seed} · ${startedAt}`;
}

function kpiTable({ kpis, limits }: BenchReport): string {
  const rows = kpis.map(
    (kpi) =>
      `<tr><td>${escaped(kpi.name)}</td><td class="${kpi.verdict}">${kpi.verdict}</td><td class="n">${kpi.comparison === '<' ? '&lt;' : '&gt;'} ${kpi.target} ${kpi.unit}</td><td class="n">${kpi.measured === null ? '–' : `${kpi.measured.toFixed(3)} ${kpi.unit}`}</td><td class="n">${kpi.samples}</td><td>${escaped(kpi.note === undefined ? kpi.source : `${kpi.source}: ${kpi.note}`)}</td></tr>`,
  );
  const asked = limits.map(
    (row) =>
      `<tr><td>${escaped(row.name)}</td><td class="${row.verdict}">${row.verdict}</td><td class="n">≤ ${row.maxMs} ms</td><td class="n">${row.measuredMs.toFixed(3)} ms</td><td></td><td>client</td></tr>`,
  );
  return `<div class="wide"><table><thead><tr><th>KPI</th><th>verdict</th><th class="n">target</th><th class="n">measured</th><th class="n">samples</th><th>how</th></tr></thead><tbody>${rows.join('')}${asked.join('')}</tbody></table></div>`;
}

function comparisonTable({ comparison, throughput, latency }: BenchReport): string {
  if (comparison === undefined) return '';
  const row = (name: string, ours: number, theirs: number, ratio: typeof comparison.rate): string =>
    `<tr><td>${name}</td><td class="n">${ours.toFixed(2)}</td><td class="n">${theirs.toFixed(2)}</td><td class="n">${ratio === undefined ? 'too few blocks' : `${ratio.ratio.toFixed(3)} (${ratio.low.toFixed(3)} to ${ratio.high.toFixed(3)})`}</td></tr>`;
  return `<h2>Against ${escaped(comparison.against)}</h2><table><thead><tr><th></th><th class="n">this</th><th class="n">other</th><th class="n">ratio (95 % interval)</th></tr></thead><tbody>${row('refreshes/s', throughput.perSecond, comparison.other.perSecond, comparison.rate)}${row('mean, ms', latency.mean_ms, comparison.other.latency.mean_ms, comparison.mean)}${row('p99, ms', latency.percentiles_ms['p99'] ?? 0, comparison.other.latency.percentiles_ms['p99'] ?? 0, comparison.p99)}</tbody></table>`;
}

type Rows = readonly (readonly [string, string])[];

function table(title: string, rows: Rows): string {
  return `<section><h2>${title}</h2><table>${rows.map(([name, value]) => `<tr><td>${escaped(name)}</td><td class="n">${escaped(value)}</td></tr>`).join('')}</table></section>`;
}

function latencyRows({ latency }: BenchReport): Rows {
  return [
    ['mean', latency.mean_ms.toFixed(2)],
    ...Object.entries(latency.percentiles_ms).map(([name, ms]) => [name, ms.toFixed(2)] as const),
    ['max', latency.max_ms.toFixed(2)],
  ];
}

function countRows({ counts, errors }: BenchReport): Rows {
  return [
    ['successes', `${counts.successes}`],
    ['rotated by the server', counts.rotatedByServer === undefined ? 'unknown' : `${counts.rotatedByServer}`],
    ['duplicates sent', `${counts.duplicatesSent}`],
    ['duplicates refused', `${counts.duplicatesRefused}`],
    ['forks', `${counts.forks}`],
    ...Object.entries(errors).map(([kind, count]) => [`error: ${kind}`, `${count}`] as const),
  ];
}

function generatorRows({ generator }: BenchReport): Rows {
  return [
    ['CPU, of one core', `${(generator.cpuShare * 100).toFixed(0)} %`],
    ['machine busy', `${(generator.machineBusyShare * 100).toFixed(0)} %`],
    ['loop delay p99', `${generator.loopDelayP99Ms.toFixed(1)} ms`],
    ['null server', `${generator.nullPerSecond.toFixed(0)}/s`],
  ];
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
