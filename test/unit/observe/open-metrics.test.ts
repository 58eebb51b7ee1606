import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { Exemplars, newestExemplars } from '../../../src/observe/exemplars.js';
import { openMetrics, takesOpenMetrics } from '../../../src/observe/open-metrics.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

function registry(): Registry {
  const all = new Registry();
  const registers = [all];
  new Counter({ name: 'a_total', help: 'With "quotes".', labelNames: ['kind'], registers }).inc({
    kind: 'x',
  });
  new Counter({ name: 'bare', help: 'A counter without its suffix.', registers }).inc(2);
  new Gauge({ name: 'g_total', help: 'No counter, whatever its name.', registers }).set(3);
  const duration = new Histogram({
    name: 'carelink_token_refresh_duration_seconds',
    help: 'h',
    labelNames: ['outcome'],
    buckets: [0.01, 5],
    registers,
  });
  duration.observe({ outcome: 'rotated' }, 0.02);
  return all;
}

describe('metrics as OpenMetrics', () => {
  it('families of counters lose their suffix, samples have it, and the end is said', async () => {
    const text = openMetrics(await registry().metrics(), []);
    expect(text.split('\n')).toEqual([
      '# HELP a With \\"quotes\\".',
      '# TYPE a counter',
      'a_total{kind="x"} 1',
      '# HELP bare A counter without its suffix.',
      '# TYPE bare counter',
      'bare_total 2',
      '# HELP g_total No counter, whatever its name.',
      '# TYPE g_total gauge',
      'g_total 3',
      '# HELP carelink_token_refresh_duration_seconds h',
      '# TYPE carelink_token_refresh_duration_seconds histogram',
      'carelink_token_refresh_duration_seconds_bucket{le="0.01",outcome="rotated"} 0',
      'carelink_token_refresh_duration_seconds_bucket{le="5",outcome="rotated"} 1',
      'carelink_token_refresh_duration_seconds_bucket{le="+Inf",outcome="rotated"} 1',
      'carelink_token_refresh_duration_seconds_sum{outcome="rotated"} 0.02',
      'carelink_token_refresh_duration_seconds_count{outcome="rotated"} 1',
      '# EOF',
      '',
    ]);
  });

  it('an exemplar stands at the bucket that its refresh fell into, and at no other', async () => {
    const exemplars = new Exemplars([0.01, 5]);
    exemplars.note('rotated', 0.03, 'f'.repeat(32));
    exemplars.note('rotated', 0.02, TRACE);
    exemplars.note('rotated', 7, TRACE);
    exemplars.note('expired', 0.001, TRACE);
    const lines = openMetrics(await registry().metrics(), exemplars.all()).split('\n');
    const told = lines.filter((line) => line.includes(' # '));
    expect(told).toHaveLength(2);
    expect(told[0]).toMatch(/le="5",outcome="rotated"} 1 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0\.02 \d+\.\d{3}$/); // prettier-ignore
    expect(told[1]).toMatch(/le="\+Inf",outcome="rotated"} 1 # {trace_id="\w{32}"} 7 \d+\.\d{3}$/);
  });

  it('of several processes the newest of each bucket is told', () => {
    const one = { outcome: 'rotated', le: '5', traceId: 'a', seconds: 1, atSeconds: 10 } as const;
    const newer = { ...one, traceId: 'b', atSeconds: 11 };
    const elsewhere = { ...one, le: '1' };
    expect(newestExemplars([newer, one, elsewhere])).toEqual([newer, elsewhere]);
  });

  it.each([
    ['application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2', true],
    ['text/plain, Application/OpenMetrics-Text', true],
    ['application/openmetrics-text;q=0', false],
    ['text/plain;version=0.0.4', false],
    ['*/*', false],
    [undefined, false],
  ])('Accept: %s asks for it: %s', (accept, asked) => expect(takesOpenMetrics(accept)).toBe(asked));
});
