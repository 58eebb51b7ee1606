import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BIN, cleanEnvironment } from '../../test/support/server.js';
import { TEST_SIGNING_KEY } from '../../test/support/tokens.js';

/** Runs `carelink-tokens bench --json` and reads its report. */
export async function runBenchCommand(args: readonly string[]) {
  const child = spawn(process.execPath, [BIN, 'bench', '--json', ...args], {
    env: cleanEnvironment({ CARELINK_SIGNING_KEY: TEST_SIGNING_KEY }),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (part) => (said += String(part)));
  const [code] = (await once(child, 'close')) as [number];
  return { code, report: said === '' ? undefined : JSON.parse(said) };
}

/** Starts a script that prints one line of JSON with its `url`. */
export async function startScript(name: string, ...args: string[]) {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { url: (JSON.parse(line) as { url: string }).url, stop: () => void child.kill('SIGTERM') };
}
