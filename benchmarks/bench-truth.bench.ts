/** bench itself: is what it reports right, and is it fast and punctual enough? Against servers whose delays are known. */
import autocannon from 'autocannon';
import { expect, it } from 'vitest';
import { runBenchCommand, startScript } from './support/bench-command.js';

const within2Percent = (measured: number, truth: number) =>
  expect(Math.abs(measured / truth - 1), `${measured} against ${truth}`).toBeLessThan(0.02);

/** What the server really did, at a percentile. */
async function truthOf(url: string) {
  const held = ((await (await fetch(url)).json()) as number[]).sort((a, b) => a - b);
  return {
    mean: held.reduce((sum, ms) => sum + ms, 0) / held.length,
    at: (percentile: number) =>
      held[Math.min(held.length - 1, Math.ceil((percentile / 100) * held.length) - 1)]!,
  };
}

it.each([
  ['fixed', 'one delay of 100 ms', [50, 90, 99]],
  ['bimodal', 'two modes: 9 of 10 take 100 ms, one takes 500 ms', [50, 75, 95, 99]],
] as const)('%s: %s', async (mode, _, percentiles) => {
  const server = await startScript('./delay-server.mjs', mode);
  const { code, report } = await runBenchCommand([
    server.url, '--mode', 'open', '--rate', '50', '--users', '100', '--duration', '12s', '--warmup', '1s', '--duplicates', '0',
  ]); // prettier-ignore
  const truth = await truthOf(server.url);
  server.stop();
  const { latency } = report;
  const pairs = percentiles.map((p) => [`p${p}`, latency.percentiles_ms[`p${p}`], truth.at(p)] as const);
  console.log(mode, 'exit', code, 'mean', latency.mean_ms, truth.mean, JSON.stringify(pairs));
  for (const [, measured, really] of pairs) within2Percent(measured, really);
  within2Percent(latency.mean_ms, truth.mean);
});

it('a stall of 2 s in 10 s of constant arrivals shows as queueing theory says', async () => {
  // 1,000 sessions are seeded; at 200/s, request 1,400 comes 2 s into the run.
  const server = await startScript('./delay-server.mjs', 'stall', '1400');
  const { report } = await runBenchCommand([
    server.url, '--mode', 'open', '--arrivals', 'constant', '--rate', '200', '--users', '1000', '--duration', '10s', '--warmup', '0s', '--duplicates', '0',
  ]); // prettier-ignore
  server.stop();
  const { percentiles_ms: p, max_ms } = report.latency;
  console.log('stall, open loop:', JSON.stringify(report.latency));
  // An arrival t after the stall's beginning waits 2 s - t: the share that waits longer than x is (2 - x) / 10.
  for (const [measured, truth] of [[p.p90, 1_000], [p.p95, 1_500], [p.p99, 1_900], [max_ms, 2_000]] as const) within2Percent(measured, truth); // prettier-ignore

  const again = await startScript('./delay-server.mjs', 'stall', '500');
  const closed = await runBenchCommand([
    again.url,
    '--users',
    '10',
    '--duration',
    '10s',
    '--warmup',
    '0s',
    '--duplicates',
    '0',
  ]);
  again.stop();
  console.log('the same stall, closed loop (which can not see it):', JSON.stringify(closed.report.latency));
});

it('the generator keeps up with autocannon, and keeps its times', async () => {
  const server = await startScript('./null-server.mjs');
  const path = '/account/token/refresh/';
  const token = `${'h'.repeat(36)}.${'c'.repeat(190)}.${'s'.repeat(43)}`;
  const theirs: number[] = [];
  const ours: number[] = [];
  for (let round = 0; round < 3; round++) {
    const result = await autocannon({
      url: server.url + path, method: 'POST', connections: 100, duration: 4,
      headers: { 'content-type': 'application/json' }, body: JSON.stringify({ refresh: token }),
    }); // prettier-ignore
    theirs.push(result.requests.total / result.duration);
    const { report } = await runBenchCommand([
      server.url,
      '--duration',
      '4s',
      '--warmup',
      '1s',
      '--duplicates',
      '0',
    ]);
    ours.push(report.throughput.per_second);
  }
  const middle = (values: number[]) => [...values].sort((a, b) => a - b)[1]!;
  const share = middle(ours) / middle(theirs);
  console.log(JSON.stringify({ ours, autocannon: theirs, share: +share.toFixed(3) }));

  const rate = Math.floor(middle(theirs) / 4);
  const { report } = await runBenchCommand([
    server.url, '--mode', 'open', '--arrivals', 'constant', '--rate', String(rate), '--users', '500', '--duration', '5s', '--warmup', '1s', '--duplicates', '0',
  ]); // prettier-ignore
  server.stop();
  console.log(
    `at ${rate}/s, sent late by:`,
    JSON.stringify(report.send_lag),
    JSON.stringify(report.findings),
  );
  expect(share).toBeGreaterThan(0.8);
  expect(report.send_lag.percentiles_ms.p99).toBeLessThan(1);
});
