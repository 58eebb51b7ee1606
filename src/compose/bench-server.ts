import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BenchError } from '../bench/index.js';
import type { BenchSettings } from '../config/settings.js';
import { makeRunDirectory } from './bench-directory.js';
import type { ReleaseStack } from './release.js';

interface OwnServer {
  readonly url: string;
  readonly adminUrl: string;
  readonly signingKey: string;
}

/** A first start makes a database cluster: seconds, on a busy machine half a minute. */
const START_TIMEOUT_MS = 120_000;

/** `serve`, as anybody would start it, on free ports, with a database that is removed with it. */
export async function startOwnServer(
  settings: BenchSettings,
  { onStarting }: { onStarting: () => void },
  releases: ReleaseStack,
): Promise<OwnServer> {
  onStarting();
  const directory = await makeRunDirectory();
  releases.add(() => rm(directory, { recursive: true, force: true }));
  const signingKey = randomBytes(48).toString('base64url');
  const bin = fileURLToPath(new URL('../../bin/carelink-tokens.js', import.meta.url));
  const args = [
    'serve',
    '--json',
    '--port',
    '0',
    '--admin-port',
    '0',
    '--data-dir',
    join(directory, 'data'),
    '--log-level',
    settings.logLevel,
    '--rotation',
    settings.rotation,
  ];
  const watch = new URL('../compose/end-with-parent.js', import.meta.url);
  watch.searchParams.set('directory', directory);
  const child = spawn(process.execPath, ['--import', watch.href, bin, ...args], {
    env: {
      ...settings.serverEnvironment,
      CARELINK_SIGNING_KEY: signingKey,
    },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    // Ctrl-C goes to the whole group of a terminal: the run is to end first, and then its server.
    detached: true,
  });
  const { stdout } = child;
  // With these `stdio` there is one, which the types don't say.
  if (stdout === null) throw new Error('the server has no stdout');
  const exited = once(child, 'exit');
  releases.add(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  const listening = new Promise<Record<string, unknown>>((resolve, reject) => {
    const fail = (): void =>
      reject(
        new BenchError(
          'SERVER_NOT_STARTED',
          'The server to be measured did not start: what it said is above.',
        ),
      );
    const timer = setTimeout(fail, START_TIMEOUT_MS);
    void exited.then(fail, fail);
    createInterface({ input: stdout }).on('line', (line) => {
      const event = JSON.parse(line) as Record<string, unknown>;
      if (event['event'] !== 'listening') return;
      clearTimeout(timer);
      resolve(event);
    });
  });
  const { url, admin_url, base_path } = await listening;
  return { url: `${String(url)}${String(base_path)}/refresh/`, adminUrl: String(admin_url), signingKey };
}
