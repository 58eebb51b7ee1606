import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** When it was due (ms since 1970), what it took from then on (ms), and its status; 0: no answer. */
export type Sample = readonly [dueMs: number, latencyMs: number, status: number];

export interface OpenLoad {
  /** Stops, waits for what is in flight, and hands over every request. */
  stop(): Promise<Sample[]>;
}

export function startOpenLoad(url: string, tokens: readonly string[], rate: number): OpenLoad {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./open-load.mjs', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (part) => (said += String(part)));
  child.stdin.write(`${JSON.stringify({ url, tokens, rate })}\n`);
  return {
    async stop() {
      const closed = once(child, 'close');
      child.stdin.end();
      await closed;
      return JSON.parse(said) as Sample[];
    },
  };
}

export interface Felt {
  readonly requests: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the slowest request. */
  readonly maxMs: number;
  /** The longest time in which none was answered. */
  readonly stallMs: number;
}

/** What was felt by the requests that were due between two moments. */
export function feltBetween(samples: readonly Sample[], fromMs: number, toMs: number): Felt {
  const within = samples.filter(([dueMs]) => dueMs >= fromMs && dueMs < toMs);
  const latencies = within.map(([, latencyMs]) => latencyMs).sort((a, b) => a - b);
  const answers = within
    .filter(([, , status]) => status === 200)
    .map(([dueMs, latencyMs]) => dueMs + latencyMs)
    .sort((a, b) => a - b);
  const at = (q: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))] ?? NaN;
  return {
    requests: within.length,
    failed: within.filter(([, , status]) => status !== 200).length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: at(1),
    stallMs: answers.reduce(
      (longest, answer, n) => Math.max(longest, answer - (answers[n - 1] ?? answer)),
      0,
    ),
  };
}
