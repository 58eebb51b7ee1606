import { spawn } from 'node:child_process';
import { BIN, cleanEnvironment, type Exit } from '../support/server.js';

export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end, as from a shell with pipes on both sides and nothing of ours in its environment. */
export async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): Promise<Finished> {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: cleanEnvironment(env),
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (part) => (stdout += String(part)));
  child.stderr.on('data', (part) => (stderr += String(part)));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
