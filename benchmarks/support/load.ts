import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface LoadResult {
  readonly refreshes: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the generator a request, in microseconds: it shares the cores with what it measures. */
  readonly generatorCpuUs: number;
}

export interface LoadGenerator {
  /** One block of closed-loop load, one user a token. Later blocks on the same URL go on with its chains. */
  run(url: string, tokens: readonly string[], seconds: number): Promise<LoadResult>;
  stop(): void;
}

export function startLoadGenerator(): LoadGenerator {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./load.mjs', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async run(url, tokens, seconds) {
      child.stdin.write(`${JSON.stringify({ url, tokens, seconds })}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error('the load generator ended');
      return JSON.parse(line.value) as LoadResult;
    },
    stop: () => child.stdin.end(),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
