import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { CLOSED_LOAD, OPEN_LOAD } from '../cli/bench-world.js';
import { run } from '../cli/run.js';
import { TEST_SIGNING_KEY } from '../support/tokens.js';

const env = { CARELINK_SIGNING_KEY: TEST_SIGNING_KEY };

/** Of the JSON report. */
interface Report {
  readonly because: string;
  readonly throughput: { readonly per_second: number };
  readonly latency: { readonly mean_ms: number; readonly percentiles_ms: Readonly<Record<string, number>> };
  readonly comparison: {
    readonly runs: number;
    readonly mean?: { readonly low: number };
    readonly differences: readonly string[];
  };
}

function scaled({ throughput, latency, ...rest }: Report, factor: number): Report {
  const percentiles = Object.entries(latency.percentiles_ms).map(([name, ms]) => [name, ms * factor]);
  return {
    ...rest,
    throughput: { ...throughput, per_second: throughput.per_second / factor },
    latency: {
      ...latency,
      mean_ms: latency.mean_ms * factor,
      percentiles_ms: Object.fromEntries(percentiles),
    },
  };
}

interface Answer {
  readonly status?: number;
  readonly next?: string;
  readonly delayMs?: number;
}

/** A target that answers in a way of its own; `nth` counts the requests. */
async function startTarget(answer: (nth: number, token: string) => Answer) {
  const { createServer } = await import('node:http');
  let nth = 0;
  const server = createServer((request, response) => {
    let body = '';
    request
      .on('data', (part) => (body += String(part)))
      .on('end', () => {
        const { refresh } = JSON.parse(body) as { refresh: string };
        const { status = 200, next = '', delayMs = 0 } = answer(++nth, refresh);
        const end = () => response.writeHead(status).end(JSON.stringify({ access: 'a.b.c', refresh: next }));
        if (delayMs === 0) end();
        else setTimeout(end, delayMs);
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}/refresh/`, stop: () => void server.close() };
}

const SEEDED = 50;

it.concurrent.each<[string, (nth: number, token: string) => Answer, RegExp]>([
  ['does not rotate', (_, token) => ({ next: token }), /answers held no new refresh token/],
  ['gives users the same token', (nth) => ({ next: `a.b.${Math.floor(nth / 20)}` }), /another session had just been given/],
  ['throttles most', (nth) => (nth > SEEDED && nth % 3 > 0 ? { status: 429 } : { next: `a.b.${nth}` }), /requests were not answered .*HTTP 429: \d+\)\. A throttle/],
  ['refuses sessions for good', (nth) => (nth > SEEDED && nth % 4 === 0 ? { status: 401 } : { next: `a.b.${nth}` }), /a session was refused for good .*HTTP 401/],
])('fails a target that %s, and says so', async (_, answer, because) => {
  const target = await startTarget(answer);
  const { code, stdout } = await run(['bench', target.url, ...OPEN_LOAD, '--duplicates', '0'], env);
  target.stop();
  const report = JSON.parse(stdout) as { verdict: string; because: string };
  expect(report.because).toMatch(because);
  expect([code, report.verdict]).toEqual([1, 'fail']);
}); // prettier-ignore

it('compares with a baseline of the same plan, says what differs in another one, and fails a regression', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-bench-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  let delayMs = 0;
  const target = await startTarget((nth) => ({ next: `a.b.${nth}`, delayMs }));
  onTestFinished(target.stop);
  const bench = (...args: string[]) =>
    run(
      [
        'bench',
        target.url,
        ...CLOSED_LOAD,
        '--users',
        '10',
        '--duplicates',
        '0',
        '--duration',
        '1s',
        ...args,
      ],
      env,
      directory,
    );
  await bench('--out', 'before.json');
  const other = await bench('--baseline', 'before.json', '--users', '11');
  expect(other).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('before.json was made with --users 10:') as string,
  });
  delayMs = 300;
  const against = async (baseline: string) => {
    // The KPI of time is missed as well: it is the comparison that is asked for here.
    const { code, stdout } = await bench(
      '--baseline',
      baseline,
      '--max-regression',
      '50',
      '--kpis',
      'cache_hit',
    );
    return { code, ...(JSON.parse(stdout) as Report) };
  };
  const one = await against('before.json');
  // However far they are apart: nobody knows how far such runs are apart by themselves.
  expect(one.because).toMatch(
    /^--max-regression can't be judged by one earlier run.* Make five of the build/,
  );
  expect([one.code, one.comparison.mean, one.comparison.differences]).toEqual([3, undefined, []]);
  // The same run three times, 3 % apart.
  const before = JSON.parse(readFileSync(join(directory, 'before.json'), 'utf8')) as Report;
  const three = [0.97, 1, 1.03].map((factor) => JSON.stringify(scaled(before, factor)));
  writeFileSync(join(directory, 'three.json'), three.join('\n'));
  const { code, because, comparison } = await against('three.json');
  expect(comparison).toMatchObject({ runs: 3, differences: expect.arrayContaining(['mean']) as string[] });
  expect(comparison.mean!.low).toBeGreaterThan(1.5);
  // On a busy machine the run may be excused, and says so.
  expect(because).toMatch(/(?:^|So this run can't tell: )The rate was .* --max-regression\.$/);
  expect(code).toBe(because.startsWith('The rate') ? 1 : 3);
});
