/** The server that `bench` starts for itself, where bench is killed. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { makeRunDirectory } from '../../src/compose/bench-directory.js';
import { childrenOf, isAlive } from '../support/processes.js';
import { BIN, cleanEnvironment } from '../support/server.js';

/** Only bounds one that hangs. */
const BOUND = { timeout: 60_000, interval: 100 };

interface Owner {
  readonly pid: number;
  readonly where: string;
}

const ownerOf = (directory: string) =>
  JSON.parse(readFileSync(join(directory, 'owner.json'), 'utf8')) as Owner;

function temporary() {
  const directory = mkdtempSync(join(tmpdir(), 'carelink-own-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

it.skipIf(process.platform !== 'linux')('a killed bench leaves no server and no data', async () => {
  const directory = temporary();
  const child = spawn(process.execPath, [BIN, 'bench', '--users', '2', '--duration', '1h'], {
    env: cleanEnvironment({ TMPDIR: directory }),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  while (!said.includes('seeding')) said += String((await once(child.stderr, 'data'))[0]);
  const [server] = childrenOf(child.pid!);
  const [own] = readdirSync(directory).filter((name) => name.startsWith('carelink-bench-'));
  expect(ownerOf(join(directory, own!)).pid).toBe(child.pid);
  expect(readdirSync(join(directory, own!, 'data'))).not.toEqual([]);
  child.kill('SIGKILL');
  await vi.waitUntil(() => !isAlive(server!), BOUND);
  expect(existsSync(join(directory, own!))).toBe(false);
});

it('what killed runs left is removed by the next one, but nothing of a run that goes on or of another machine', async () => {
  const parent = temporary();
  const goesOn = await makeRunDirectory(parent);
  const mine = ownerOf(goesOn);
  const { pid } = spawnSync(process.execPath, ['--version']);
  const left = (name: string, owner: Partial<Owner>) => {
    const directory = join(parent, name);
    mkdirSync(join(directory, 'data'), { recursive: true });
    writeFileSync(join(directory, 'owner.json'), JSON.stringify({ ...mine, ...owner }));
    return directory;
  };
  const dead = left('carelink-bench-dead', { pid });
  const others = [
    left('carelink-bench-elsewhere', { pid, where: 'elsewhere' }),
    left('something-else', { pid }),
    goesOn,
    await makeRunDirectory(parent),
  ];
  expect(existsSync(dead)).toBe(false);
  expect(others.filter((directory) => !existsSync(directory))).toEqual([]);
});
