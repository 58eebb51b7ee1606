import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataDirectoryError } from './embedded-errors.js';
import { answerWith, askHolder, type Holder } from './embedded-holder.js';

/**
 * The lock of a data directory. The system holds it, so that it is free the moment its holder is dead, however it
 * died: no pid file to go stale.
 *
 * - Linux: listening on an abstract unix socket named after the directory. Only one process can, and no file stays.
 * - Windows: the same with a named pipe.
 * - macOS and the BSDs: a file opened with O_EXLOCK.
 *
 * Abstract names are seen within one network namespace, so two containers that mount the same directory would both
 * get theirs. Hence a second guard, in the directory itself: `holder.sock`, an ordinary unix socket, which
 * anybody who sees the file can connect to, whatever the namespace. Somebody answers: taken. Nobody does: left
 * over from a holder that died. (That look and the listen are two steps: two containers that start within the
 * same milliseconds could both pass. The processes of one container can't.)
 *
 * Both sockets tell whoever connects who holds the directory.
 */
export interface DirectoryLock {
  release(): Promise<void>;
}

/** A holder that is just ending still has its name, but answers no more. */
const ATTEMPTS = 5;
const BETWEEN_ATTEMPTS_MS = 100;

/**
 * @param path the directory's real path
 * @throws DataDirectoryError DATA_DIRECTORY_IN_USE
 */
export async function lockDirectory(path: string, command: string): Promise<DirectoryLock> {
  const self: Holder = { pid: process.pid, command, startedAt: new Date().toISOString() };
  const exclusive = await takeExclusive(path, self);
  try {
    const visible = await takeVisible(path, self);
    return {
      release: async () => {
        await visible.release();
        await exclusive.release();
      },
    };
  } catch (error) {
    await exclusive.release();
    throw error;
  }
}

async function takeExclusive(path: string, self: Holder): Promise<DirectoryLock> {
  if (process.platform !== 'linux' && process.platform !== 'win32') return takeFileLock(path);
  const hash = createHash('sha256').update(path).digest('hex').slice(0, 32);
  const name = `${process.platform === 'linux' ? '\0' : '\\\\.\\pipe\\'}carelink-tokens-${hash}`;
  for (let attempt = 1; ; attempt++) {
    try {
      return closing(await listen(name, self));
    } catch (error) {
      if (codeOf(error) !== 'EADDRINUSE') throw error;
    }
    const holder = await askHolder(name);
    if (holder.alive || attempt === ATTEMPTS) throw inUse(path, holder.who);
    await sleep(BETWEEN_ATTEMPTS_MS);
  }
}

/** open(2) of the BSDs: the lock goes with the descriptor. Node knows neither constant's name. */
async function takeFileLock(path: string): Promise<DirectoryLock> {
  const O_EXLOCK = 0x20;
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | O_EXLOCK;
  try {
    const file = await open(join(path, 'lock'), flags, 0o600);
    return { release: () => file.close() };
  } catch (error) {
    if (codeOf(error) !== 'EAGAIN') throw error;
    throw inUse(path, (await askHolder(join(path, 'holder.sock'))).who);
  }
}

async function takeVisible(path: string, self: Holder): Promise<DirectoryLock> {
  if (process.platform === 'win32') return { release: () => Promise.resolve() };
  // A socket's path may have some 107 bytes. By way of an open descriptor it is short, wherever the directory is.
  const directory = process.platform === 'linux' ? await open(path, 'r') : undefined;
  const name = join(directory === undefined ? path : `/proc/self/fd/${directory.fd}`, 'holder.sock');
  const release = async (): Promise<void> => {
    await directory?.close();
  };
  try {
    const holder = await askHolder(name);
    if (holder.alive) throw inUse(path, holder.who);
    await rm(join(path, 'holder.sock'), { force: true });
    // Node removes the file when it closes the server.
    const server = await listen(name, self);
    return { release: () => closing(server).release().finally(release) };
  } catch (error) {
    await release();
    if (error instanceof DataDirectoryError) throw error;
    // A file system without sockets (some network and virtual machine mounts), or a path that is too long: then
    // the first guard must do.
    return { release: () => Promise.resolve() };
  }
}

function listen(name: string, self: Holder): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(answerWith(self));
    server.once('error', reject);
    server.listen(name, () => {
      server.off('error', reject);
      // Out of descriptors: who asks doesn't learn our name, but the lock stands.
      server.on('error', () => undefined);
      resolve(server.unref());
    });
  });
}

function closing(server: Server): DirectoryLock {
  return {
    release: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}

function inUse(path: string, who: Holder | undefined): DataDirectoryError {
  const holder =
    who === undefined
      ? 'another process'
      : `\`carelink-tokens ${who.command}\`, process ${who.pid}, since ${who.startedAt}`;
  return new DataDirectoryError(
    'DATA_DIRECTORY_IN_USE',
    `The data directory ${path} is in use by ${holder}. Stop that one first, or give another --data-dir.`,
  );
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
