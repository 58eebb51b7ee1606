import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { embeddedDirectory } from './embedded-directory.js';
import { endWithUs } from './end-with-us.js';
import { TEST_SIGNING_KEY } from './tokens.js';

/** The command as it is installed: the tests see what an operator sees. */
export const BIN = fileURLToPath(new URL('../../bin/carelink-tokens.js', import.meta.url));

/** Only bounds one that hangs. */
const START_TIMEOUT_MS = 180_000;

export interface ServerOptions {
  /** A database with simplejwt's tables and our schema. Without one: the embedded PostgreSQL. */
  readonly databaseUrl?: string;
  /** For the embedded one. Without it: a new directory, which is removed in the end. */
  readonly dataDir?: string;
  /** More flags for `serve`. */
  readonly args?: readonly string[];
  /** The command of another checkout, built: an older release beside this one. */
  readonly bin?: string;
  /** Flags of node's own, such as --cpu-prof. */
  readonly nodeArgs?: readonly string[];
  /** An open file that its log goes to, in place of `output()`. */
  readonly logFd?: number;
  /** More variables. Of this process's own only PATH is handed on. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface TestServer {
  /** The public port, without the base path: `http://127.0.0.1:40000`. */
  readonly url: string;
  readonly adminUrl: string;
  readonly pid: number;
  /** With the embedded PostgreSQL: a refresh token to try. */
  readonly sampleRefresh: string | undefined;
  /** The other fields of its `listening` line too. */
  readonly listening: Readonly<Record<string, unknown>>;
  /** Stops in order (SIGTERM), waits, and removes what was made. Where it has ended already: only that. */
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** All of stdout and stderr so far. */
  output(): string;
  readonly exited: Promise<Exit>;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** An environment without what the developer's own shell has of ours. */
export function cleanEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env['PATH'] ?? '', ...more };
}

/** Starts `carelink-tokens serve` on free ports and waits until it listens. Needs `npm run build`. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const own =
    options.databaseUrl === undefined && options.dataDir === undefined
      ? await embeddedDirectory('serve')
      : undefined;
  const where =
    options.databaseUrl === undefined
      ? ['--data-dir', options.dataDir ?? own!]
      : ['--database-url', options.databaseUrl];
  const child = endWithUs(
    spawn(
      process.execPath,
      [
        ...(options.nodeArgs ?? []),
        options.bin ?? BIN,
        'serve',
        '--json',
        '--port',
        '0',
        '--admin-port',
        '0',
        ...where,
        ...(options.args ?? []),
      ],
      {
        env: cleanEnvironment({ CARELINK_SIGNING_KEY: TEST_SIGNING_KEY, ...options.env }),
        stdio: ['ignore', 'pipe', options.logFd ?? 'pipe'],
      },
    ),
  );
  const exited = exitOf(child);
  const cleanUp = () => {
    if (own !== undefined) rmSync(own, { recursive: true, force: true });
  };
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => (said += String(part)));
  try {
    const listening = await firstListening(child, exited);
    return {
      url: listening['url'] as string,
      adminUrl: listening['admin_url'] as string,
      pid: child.pid!,
      sampleRefresh: listening['sample_refresh'] as string | undefined,
      listening,
      exited,
      kill: (signal) => void child.kill(signal),
      output: () => said,
      async stop() {
        child.kill('SIGTERM');
        await exited;
        cleanUp();
      },
    };
  } catch (error) {
    child.kill('SIGKILL');
    await exited;
    cleanUp();
    throw new Error(`The server did not start:\n${said}`, { cause: error });
  }
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal };
}

function firstListening(child: ChildProcess, exited: Promise<Exit>): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('it does not listen')), START_TIMEOUT_MS);
    void exited.then(({ code, signal }) => {
      clearTimeout(timer);
      reject(new Error(`it ended with ${String(signal ?? code)}`));
    });
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const event = JSON.parse(line) as Record<string, unknown>;
      if (event['event'] !== 'listening') return;
      clearTimeout(timer);
      resolve(event);
    });
  });
}
