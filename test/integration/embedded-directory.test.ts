import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs'; // prettier-ignore
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDataDirectory } from '../../src/store/data-directory.js';
import { completeCluster } from '../../src/store/embedded-cluster.js';

const MODULE = new URL('../../dist/store/data-directory.js', import.meta.url).href;

/** Takes the directory and says "held", or says why not and ends. */
const HOLDER = `
  const { openDataDirectory } = await import('${MODULE}');
  try {
    const directory = await openDataDirectory(process.argv[1], 'serve');
    console.log('held ' + directory.signingKey);
    setInterval(() => {}, 1000);
  } catch (error) {
    console.log(error.code + ' ' + error.message);
  }`;

let root: string;
let dataDir: string;
let children: ChildProcess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'carelink-dir-'));
  dataDir = join(root, 'data');
});

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  rmSync(root, { recursive: true });
});

/** Starts a process that takes the directory, and returns what it says. */
async function hold(directory: string, prefix: string[] = []) {
  const [command, ...args] = [...prefix, process.execPath, '--input-type=module', '-e', HOLDER, directory];
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = await once(child.stdout, 'data');
  return { child, said: String(line).trim() };
}

async function killed(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('the lock of a data directory', () => {
  it('lets one process have it and tells the second who that is', async () => {
    const first = await hold(dataDir);
    expect(first.said).toMatch(/^held /);
    const second = await hold(dataDir);
    expect(second.said).toMatch(/^DATA_DIRECTORY_IN_USE /);
    expect(second.said).toContain(`\`carelink-tokens serve\`, process ${first.child.pid!}, since 20`);
  });

  it('is the same under another name of the directory', async () => {
    await hold(dataDir);
    symlinkSync(dataDir, join(root, 'link'));
    for (const name of ['link', 'data/', './data/../data']) {
      expect((await hold(`${root}/${name}`)).said).toMatch(/^DATA_DIRECTORY_IN_USE /);
    }
  });

  it('of ten that start at once one gets it', async () => {
    const said = (await Promise.all(Array.from({ length: 10 }, () => hold(dataDir)))).map((one) => one.said);
    expect(said.filter((line) => line.startsWith('held '))).toHaveLength(1);
    expect(said.filter((line) => line.startsWith('DATA_DIRECTORY_IN_USE '))).toHaveLength(9);
  });

  it('is free the moment its holder is killed with SIGKILL, ten times in a row', async () => {
    for (let round = 0; round < 10; round++) {
      const { child, said } = await hold(dataDir);
      expect(said).toMatch(/^held /);
      await killed(child);
    }
  });

  it('holds while its holder is stopped and answers nobody', async () => {
    const { child } = await hold(dataDir);
    child.kill('SIGSTOP');
    const second = await hold(dataDir);
    expect(second.said).toMatch(/^DATA_DIRECTORY_IN_USE .*another process/);
  });

  it.skipIf(process.platform !== 'linux')(
    'is held by the system: without the socket in the directory, too, as where there can be none',
    async () => {
      const first = await hold(dataDir);
      rmSync(join(dataDir, 'holder.sock'));
      expect((await hold(dataDir)).said).toMatch(
        new RegExp(`^DATA_DIRECTORY_IN_USE .*process ${first.child.pid!}, `),
      );
      await killed(first.child);
      expect((await hold(dataDir)).said).toMatch(/^held /);
    },
  );

  it('is given back, and can be taken again by the same process', async () => {
    for (let round = 0; round < 3; round++) {
      const directory = await openDataDirectory(dataDir, 'serve');
      await expect(openDataDirectory(dataDir, 'migrate')).rejects.toMatchObject({
        code: 'DATA_DIRECTORY_IN_USE',
      });
      await directory.release();
    }
    expect(existsSync(join(dataDir, 'holder.sock'))).toBe(false);
  });

  const unshare = ['unshare', '--map-root-user', '--net'];
  const canUnshare = spawnSync(unshare[0]!, [...unshare.slice(1), 'true']).status === 0;
  it.skipIf(!canUnshare)('holds across network namespaces, as between two containers', async () => {
    const first = await hold(dataDir);
    expect((await hold(dataDir, unshare)).said).toContain(`process ${first.child.pid!}`);
    await killed(first.child);
    expect((await hold(dataDir, unshare)).said).toMatch(/^held /);
    expect((await hold(dataDir)).said).toMatch(/^DATA_DIRECTORY_IN_USE /);
  });

  it('holds in a directory whose path is too long for a socket', async () => {
    const deep = join(root, 'd'.repeat(200));
    const first = await hold(deep);
    expect(first.said).toMatch(/^held /);
    expect(existsSync(join(deep, 'holder.sock'))).toBe(process.platform === 'linux');
    expect((await hold(deep)).said).toContain(`process ${first.child.pid!}`);
  });
});

describe.skipIf(process.platform === 'win32')('the data directory and its key', () => {
  const mode = (path: string) => statSync(path).mode & 0o777;
  const open = async () => {
    const directory = await openDataDirectory(dataDir, 'serve');
    await directory.release();
    return directory;
  };

  it('are for this user alone, and the key is made once', async () => {
    const first = await open();
    expect(first.warnings).toEqual([]);
    expect(mode(dataDir)).toBe(0o700);
    expect(mode(join(dataDir, 'signing-key'))).toBe(0o600);
    expect(first.signingKey).toMatch(/^[\w-]{64}$/);
    expect((await open()).signingKey).toBe(first.signingKey);
  });

  it('are closed to others where they were open, with a warning', async () => {
    const { signingKey } = await open();
    chmodSync(dataDir, 0o755);
    chmodSync(join(dataDir, 'signing-key'), 0o644);
    const again = await open();
    expect(again.signingKey).toBe(signingKey);
    expect(again.warnings).toHaveLength(2);
    expect(mode(dataDir)).toBe(0o700);
    expect(mode(join(dataDir, 'signing-key'))).toBe(0o600);
  });

  it('a fresh volume may be used, a directory of other things is left alone', async () => {
    mkdirSync(join(dataDir, 'lost+found'), { recursive: true });
    await open();
    dataDir = join(root, 'home');
    mkdirSync(dataDir, { mode: 0o755 });
    writeFileSync(join(dataDir, 'letter.txt'), '');
    await expect(open()).rejects.toMatchObject({ code: 'DATA_DIRECTORY_UNUSABLE' });
    expect(mode(dataDir)).toBe(0o755);
  });

  it('an empty key is never replaced, a half-written one never seen', async () => {
    mkdirSync(dataDir, { mode: 0o700 });
    writeFileSync(join(dataDir, 'signing-key'), '\n');
    await expect(open()).rejects.toThrow(/is empty/);
    rmSync(join(dataDir, 'signing-key'));
    // A key of one's own may be put there, as any editor writes it.
    writeFileSync(join(dataDir, 'signing-key'), 'mine \r\n', { mode: 0o600 });
    writeFileSync(join(dataDir, 'signing-key.unfinished'), 'half');
    expect((await open()).signingKey).toBe('mine ');
    rmSync(join(dataDir, 'signing-key'));
    mkdirSync(join(dataDir, 'pgdata'));
    expect((await open()).signingKey).toBe(readFileSync(join(dataDir, 'signing-key'), 'utf8').trim());
    expect(existsSync(join(dataDir, 'signing-key.unfinished'))).toBe(false);
  });

  it('database files without their mark, or a mark without its files, are refused and left as they are', async () => {
    await open();
    rmSync(join(dataDir, 'pgdata.making'));
    mkdirSync(join(dataDir, 'pgdata'));
    writeFileSync(join(dataDir, 'pgdata', 'PG_VERSION'), '18\n');
    await expect(open()).rejects.toMatchObject({
      code: 'DATA_LOST',
      message: expect.stringContaining('without the mark pgdata.complete') as string,
    });
    expect(existsSync(join(dataDir, 'pgdata', 'PG_VERSION'))).toBe(true);

    rmSync(join(dataDir, 'pgdata'), { recursive: true });
    writeFileSync(join(dataDir, 'pgdata.complete'), '');
    await expect(open()).rejects.toMatchObject({
      code: 'DATA_LOST',
      message: expect.stringContaining('spent and logged-out tokens') as string,
    });
    expect(existsSync(join(dataDir, 'pgdata'))).toBe(false);
  });

  it('a key whose database was deleted with all its marks is refused', async () => {
    const directory = await openDataDirectory(dataDir, 'serve');
    await directory.release();
    const { path } = directory;
    mkdirSync(join(path, 'pgdata'));
    writeFileSync(join(path, 'pgdata', 'PG_VERSION'), '18\n');
    completeCluster(path);
    for (const name of readdirSync(path))
      if (name.startsWith('pgdata')) rmSync(join(path, name), { recursive: true });
    await expect(open()).rejects.toMatchObject({
      code: 'DATA_LOST',
      message: expect.stringContaining('signing-key.used is there') as string,
    });
    expect(readdirSync(path)).not.toContain('pgdata.making');
  });

  it.each(['migrate', 'cleanup', 'revoke', 'doctor'])(
    'without a database in it is no place for %s, which makes nothing',
    async (command) => {
      await expect(openDataDirectory(dataDir, command)).rejects.toMatchObject({ code: 'DATABASE_NOT_NAMED' });
      expect(existsSync(dataDir)).toBe(false);
      // A first start that was killed half-way left no database either.
      await open();
      await expect(openDataDirectory(dataDir, command)).rejects.toMatchObject({ code: 'DATABASE_NOT_NAMED' });
    },
  );

  it('a file in its place, or a key that is a symbolic link, is refused with a sentence', async () => {
    writeFileSync(dataDir, '');
    await expect(open()).rejects.toMatchObject({
      code: 'DATA_DIRECTORY_UNUSABLE',
      message: expect.stringContaining('--data-dir') as string,
    });
    rmSync(dataDir);
    mkdirSync(join(dataDir, 'pgdata'), { recursive: true });
    symlinkSync('/etc/hostname', join(dataDir, 'signing-key'));
    await expect(open()).rejects.toMatchObject({ code: 'DATA_DIRECTORY_UNUSABLE' });
  });
});
