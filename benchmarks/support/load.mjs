// Closed-loop load: every user refreshes its own token, and with what it gets refreshes again, until the time is up.
// A process of its own, so that it takes no time from what it measures but the core's. Reads its orders from stdin
// ({url, tokens, seconds}), keeps its chains from one block to the next, and prints one JSON line a block.
import { createInterface } from 'node:readline';
import { Pool } from 'undici';

const chains = new Map();

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await block(order))}\n`);
}

async function block({ url, tokens, seconds }) {
  const { origin, pathname: path } = new URL(url);
  const current = chains.get(url) ?? [...tokens];
  chains.set(url, current);
  const pool = new Pool(origin, { connections: current.length, pipelining: 1 });
  const latenciesMs = [];
  let failed = 0;
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;

  const user = async (index) => {
    while (performance.now() < endsAt) {
      const sentAt = performance.now();
      const response = await pool.request({
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ refresh: current[index] }),
      });
      const body = await response.body.json();
      latenciesMs.push(performance.now() - sentAt);
      if (response.statusCode === 200) current[index] = body.refresh;
      else failed++;
    }
  };
  await Promise.all(current.map((_, index) => user(index)));

  const elapsedSeconds = (performance.now() - startedAt) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  await pool.close();
  latenciesMs.sort((a, b) => a - b);
  const at = (q) => latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * q))];
  return {
    refreshes: latenciesMs.length - failed,
    failed,
    perSecond: (latenciesMs.length - failed) / elapsedSeconds,
    meanMs: latenciesMs.reduce((sum, ms) => sum + ms, 0) / latenciesMs.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    generatorCpuUs: (cpu.user + cpu.system) / latenciesMs.length,
  };
}
