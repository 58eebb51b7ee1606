import { Counter, type Registry } from 'prom-client';

const RESULTS = ['exported', 'failed', 'dropped'] as const;
export type SpanResult = (typeof RESULTS)[number];

/** Registered only where requests are traced. */
export function traceMetrics(registry: Registry): (result: SpanResult, count: number) => void {
  const spans = new Counter({
    name: 'carelink_trace_spans_total',
    help: 'Spans by what became of them: taken by the collector, refused or not answered, or dropped for want of room.',
    labelNames: ['result'],
    registers: [registry],
  });
  for (const result of RESULTS) spans.inc({ result }, 0);
  return (result, count) => spans.inc({ result }, count);
}
