import type { Exemplar } from './exemplars.js';

export const OPEN_METRICS_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

const DURATION_BUCKET = 'carelink_token_refresh_duration_seconds_bucket';

/**
 * The same metrics as OpenMetrics, with exemplars, which the plain format has no place for. Made of the plain text:
 * prom-client's own OpenMetrics renames its counters for good, and the next plain scrape would find other names.
 *
 * @see https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
 */
export function openMetrics(plain: string, exemplars: readonly Exemplar[]): string {
  const byBucket = new Map(exemplars.map((one) => [`${one.outcome} ${one.le}`, one]));
  const lines: string[] = [];
  let counter: string | undefined;
  const all = plain.split('\n');
  for (const [at, line] of all.entries()) {
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      // A counter's family is named without the suffix that its samples have; the type is on the next line.
      const [, name = '', help = ''] = /^# HELP (\S+) ?(.*)$/.exec(line) ?? [];
      counter = all[at + 1] === `# TYPE ${name} counter` ? name : undefined;
      lines.push(`# HELP ${family(name, counter)} ${help.replaceAll('"', '\\"')}`);
    } else if (line.startsWith('# TYPE ')) {
      const [, name = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
      lines.push(`# TYPE ${family(name, counter)} ${type}`);
    } else if (counter !== undefined && !counter.endsWith('_total') && line.startsWith(counter)) {
      lines.push(`${counter}_total${line.slice(counter.length)}`);
    } else if (line.startsWith(DURATION_BUCKET)) {
      lines.push(withExemplar(line, byBucket));
    } else lines.push(line);
  }
  return `${lines.join('\n')}\n# EOF\n`;
}

function family(name: string, counter: string | undefined): string {
  return name === counter ? name.replace(/_total$/, '') : name;
}

function withExemplar(line: string, byBucket: ReadonlyMap<string, Exemplar>): string {
  const outcome = /outcome="([^"]*)"/.exec(line)?.[1] ?? '';
  const le = /le="([^"]*)"/.exec(line)?.[1] ?? '';
  const one = byBucket.get(`${outcome} ${le}`);
  if (one === undefined) return line;
  return `${line} # {trace_id="${one.traceId}"} ${one.seconds} ${one.atSeconds.toFixed(3)}`;
}

/** Whether a scraper asks for it; one that takes anything gets the plain text. */
export function takesOpenMetrics(accept: string | undefined): boolean {
  return (accept ?? '').split(',').some((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    return type === 'application/openmetrics-text' && !parameters.some((one) => /^q=0(?:\.0*)?$/.test(one));
  });
}
