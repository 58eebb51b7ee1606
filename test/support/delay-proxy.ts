import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface DelayProxy {
  readonly port: number;
  stop(): void;
}

/** A way to a port of loopback on which every answer comes so many milliseconds later. */
export async function startDelayProxy(targetPort: number, delayMs: number): Promise<DelayProxy> {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./delay-proxy.mjs', import.meta.url)), String(targetPort), String(delayMs)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { port: Number(line.toString()), stop: () => void child.kill() };
}
