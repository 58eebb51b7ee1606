import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Debian's Python, whose packages hold PyJWT, cryptography and simplejwt; another `python3` may not see them. */
const PYTHON = '/usr/bin/python3';
const ORACLE = fileURLToPath(new URL('pyjwt_oracle.py', import.meta.url));

export interface PythonJob {
  readonly do: 'sign' | 'verify';
  readonly algorithm: string;
  readonly signingKey: string;
  readonly verifyingKey?: string;
  readonly audience?: string | readonly string[] | undefined;
  readonly issuer?: string | undefined;
  readonly leeway?: number;
  /** Seconds since the epoch. */
  readonly now?: number;
  readonly token?: string;
  readonly claims?: string;
}

export interface PythonAnswer {
  readonly verdict?: string;
  readonly claims?: string;
  readonly token?: string;
}

/** Asks simplejwt and PyJWT, all jobs in one process. */
export function askPython(jobs: readonly PythonJob[]): PythonAnswer[] {
  const run = spawnSync(PYTHON, ['-W', 'ignore', ORACLE], { input: JSON.stringify(jobs), maxBuffer: 1e9 });
  if (run.status !== 0) throw new Error(`the oracle failed: ${run.stderr.toString()}`);
  return JSON.parse(run.stdout.toString()) as PythonAnswer[];
}
