import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { endWithUs } from '../end-with-us.js';

/** Debian's interpreter, which Debian's Django belongs to; another `python3` earlier in PATH knows nothing of it. */
const PYTHON = '/usr/bin/python3';
const PROJECT = fileURLToPath(new URL('.', import.meta.url));
const STOP_MS = 5_000;

export type Env = Readonly<Record<string, string>>;

/** Runs `manage.py` and returns what it printed. */
export async function manage(env: Env, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(PYTHON, ['manage.py', ...args], {
    cwd: PROJECT,
    env: { ...process.env, ...env },
    maxBuffer: 1 << 30,
  });
  return stdout;
}

/** A line as an operator types it in the project's directory, such as `manage.py shell < probe.py > facts.json`. */
export async function manageLine(env: Env, line: string): Promise<void> {
  await promisify(execFile)('bash', ['-c', `exec ${PYTHON} ${line}`], {
    cwd: PROJECT,
    env: { ...process.env, ...env },
  });
}

/** Runs `manage.py` and types what it asks for: without a terminal of its own, or getpass would ask at ours. */
export async function manageTyped(env: Env, args: readonly string[], typed: string): Promise<void> {
  const child = spawn(PYTHON, ['manage.py', ...args], {
    cwd: PROJECT,
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let told = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (told += text));
  child.stdin.end(typed);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`manage.py ${args.join(' ')} ended with ${String(code)}: ${told}`);
}

export interface Conversation {
  /** Evaluates one expression of Python (people/management/commands/converse.py). */
  ask<Answer>(python: string): Promise<Answer>;
  stop(): Promise<void>;
}

export async function converse(env: Env): Promise<Conversation> {
  const child = endWithUs(
    spawn(PYTHON, ['manage.py', 'converse'], {
      cwd: PROJECT,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    }),
  );
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    const { value: line, done } = await lines.next();
    if (done === true) throw new Error(`Django ended: ${complaints}`);
    const { value, error } = JSON.parse(line) as { value?: unknown; error?: string };
    if (error !== undefined) throw new Error(error);
    return value;
  };
  await answer();
  return {
    async ask<Answer>(python: string) {
      child.stdin.write(`${JSON.stringify(python)}\n`);
      return (await answer()) as Answer;
    },
    async stop() {
      if (child.exitCode !== null) return;
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.stdin.end();
      await exited;
    },
  };
}

export interface Gunicorn {
  readonly url: string;
  readonly pid: number;
  /** All that it has written so far: tracebacks of 500s are in here. */
  output(): string;
  stop(): Promise<void>;
}

/** Starts gunicorn on a port of the system's choice; resolves once the database is migrated and it listens. */
export async function startGunicorn(env: Env, workers: number, threads: number): Promise<Gunicorn> {
  const args = [
    ...['-m', 'gunicorn', '--config', 'gunicorn_conf.py', '--bind', '127.0.0.1:0'],
    ...['--worker-class', 'gthread', '--workers', String(workers), '--threads', String(threads)],
    // Longer than a client keeps an idle connection, so that it never writes into one that is being closed.
    ...['--keep-alive', '75', '--graceful-timeout', '1', '--worker-tmp-dir', '/dev/shm'],
    'site_under_test.wsgi',
  ];
  const child = endWithUs(
    spawn(PYTHON, args, {
      cwd: PROJECT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  );
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));

  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`gunicorn ended: ${output}`)));
    child.stderr.on('data', () => {
      const listening = /Listening at: (http:\S+)/.exec(output)?.[1];
      if (listening !== undefined) resolve(listening);
    });
  });

  return {
    url,
    pid: child.pid!,
    output: () => output,
    async stop() {
      // gunicorn's quick shutdown: SIGTERM would wait for clients' idle connections.
      child.kill('SIGQUIT');
      const patience = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await exited;
      clearTimeout(patience);
    },
  };
}
