import { spawn, type ChildProcess } from 'node:child_process';
import { BIN, cleanEnvironment, type Exit } from '../support/server.js';

export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** So that something can happen in the middle. */
export const REVOKE_SLOWLY = ['revoke', '--issued-before', 'now', '--yes', '--batch-size', '1'];

/** Starts the command, as from a shell with pipes on both sides and nothing of ours in its environment. */
export function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): { readonly child: ChildProcess; readonly finished: Promise<Finished> } {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: cleanEnvironment(env),
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (part) => (stdout += String(part)));
  child.stderr.on('data', (part) => (stderr += String(part)));
  const finished = new Promise<Finished>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, finished };
}

/** Runs it to its end. */
export function run(...command: Parameters<typeof start>): Promise<Finished> {
  return start(...command).finished;
}
