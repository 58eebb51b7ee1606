import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { watchBeside } from '../../../src/compose/file-watch.js';

const NEVER_MS = 3_600_000;
/** Only a bound against hanging. */
const PATIENCE_MS = 30_000;

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'carelink-watch-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** What each look has seen, one after the other; nothing where the file isn't there. */
function looking(path: string, lookEveryMs: number): string[] {
  const seen: string[] = [];
  const look = () => {
    try {
      seen.push(readFileSync(path, 'utf8'));
    } catch {
      seen.push('');
    }
  };
  onTestFinished(watchBeside([path], look, lookEveryMs));
  return seen;
}

async function until(done: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + PATIENCE_MS;
  while (!done()) {
    if (Date.now() > deadlineMs) throw new Error('nobody looked');
    await sleep(10);
  }
}

// fs.watch tells of directories on the systems that servers run on.
describe.skipIf(process.platform !== 'linux')('a file is looked at', () => {
  it('soon after it was written, replaced, or its link leads elsewhere', async () => {
    const where = directory();
    const path = join(where, 'cert.pem');
    writeFileSync(path, 'first');
    const seen = looking(path, NEVER_MS);
    writeFileSync(path, 'written');
    await until(() => seen.at(-1) === 'written');
    writeFileSync(join(where, 'new'), 'replaced');
    renameSync(join(where, 'new'), path);
    await until(() => seen.at(-1) === 'replaced');
    rmSync(path);
    await until(() => seen.at(-1) === '');
    // As of a mounted secret.
    for (const name of ['one', 'two']) {
      mkdirSync(join(where, name));
      writeFileSync(join(where, name, 'cert.pem'), name);
    }
    symlinkSync('one', join(where, '..data'));
    symlinkSync(join('..data', 'cert.pem'), path);
    await until(() => seen.at(-1) === 'one');
    symlinkSync('two', join(where, 'next'));
    renameSync(join(where, 'next'), join(where, '..data'));
    await until(() => seen.at(-1) === 'two');
  });

  it('from time to time where no directory tells of it', async () => {
    const [one, two, links] = [directory(), directory(), directory()];
    writeFileSync(join(one, 'cert.pem'), 'one');
    writeFileSync(join(two, 'cert.pem'), 'two');
    symlinkSync(one, join(links, 'current'));
    const seen = looking(join(links, 'current', 'cert.pem'), 50);
    await until(() => seen.at(-1) === 'one');
    symlinkSync(two, join(links, 'next'));
    renameSync(join(links, 'next'), join(links, 'current'));
    await until(() => seen.at(-1) === 'two');
  });

  it('from time to time where it can not be watched, and no more when it is ended', async () => {
    const path = join(directory(), 'missing', 'cert.pem');
    const seen: number[] = [];
    const end = watchBeside([path], () => void seen.push(1), 20);
    await until(() => seen.length > 2);
    end();
    const { length } = seen;
    await sleep(100);
    expect(seen).toHaveLength(length);
  });
});
