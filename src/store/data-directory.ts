import { chmod, mkdir, readdir, realpath, stat } from 'node:fs/promises';
import { troubleOf } from './disk-trouble.js';
import { beginCluster, inspectCluster, type ClusterState } from './embedded-cluster.js';
import { lockDirectory } from './embedded-lock.js';
import { DataDirectoryError } from './embedded-errors.js';
import { keepSigningKey } from './embedded-signing-key.js';

export interface DataDirectory {
  /** The directory's real path: absolute, without symbolic links. */
  readonly path: string;
  /** Text of the signing key that was made once and is kept here. */
  readonly signingKey: string;
  /** Sentences for whoever runs the command. */
  readonly warnings: readonly string[];
  /** Lets another process have the directory. */
  release(): Promise<void>;
}

/** Only a server may begin with an empty database. A command that does has nothing to act on, and its user is mistaken. */
const MAY_MAKE: ReadonlySet<string> = new Set(['serve']);

/**
 * Makes the data directory ready and takes it for this process alone: two PGlites on one directory lose rows
 * silently (rule 15).
 *
 * @param command told to whoever finds the directory taken
 * @throws DataDirectoryError
 */
export async function openDataDirectory(directory: string, command: string): Promise<DataDirectory> {
  const mayMake = MAY_MAKE.has(command);
  // One that is just being made has a holder, which is what to tell.
  if (!mayMake && clusterState(directory) === 'none') throw notNamed(directory);
  const warnings: string[] = [];
  const path = await prepare(directory, warnings);
  const lock = await lockDirectory(path, command);
  try {
    // Before the key is made: a directory with a key of ours has a database, or is marked as one that is being made.
    const state = clusterState(path);
    if (!mayMake && state !== 'complete') throw notNamed(directory);
    if (state === 'none') beginCluster(path);
    const signingKey = await keepSigningKey(path, warnings);
    return { path, signingKey, warnings, release: () => lock.release() };
  } catch (error) {
    await lock.release();
    throw unusable(path, error);
  }
}

function notNamed(directory: string): DataDirectoryError {
  return new DataDirectoryError(
    'DATABASE_NOT_NAMED',
    `No database was named, and ${directory} holds no embedded one. Nothing was changed. ` +
      'Give --database-url (or set DATABASE_URL), or name the directory of an embedded database with --data-dir.',
  );
}

function clusterState(directory: string): ClusterState {
  try {
    return inspectCluster(directory);
  } catch (error) {
    throw unusable(directory, error);
  }
}

async function prepare(directory: string, warnings: string[]): Promise<string> {
  try {
    await make(directory);
    const path = await realpath(directory);
    const entries = await readdir(path);
    // What is made private here must be a directory of our own: `--data-dir /tmp`, given by root, must not be.
    if (!entries.every((name) => EMPTY_ENOUGH.has(name)) && !entries.some((name) => OURS.has(name))) {
      throw new DataDirectoryError(
        'DATA_DIRECTORY_UNUSABLE',
        `The directory ${path} holds other things. Give --data-dir a directory of its own.`,
      );
    }
    await makePrivate(path, warnings);
    return path;
  } catch (error) {
    throw unusable(directory, error);
  }
}

async function make(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    // On a read-only file system Node's recursive mkdir says ENOENT; the plain one says what it is.
    if (codeOf(error) === 'ENOENT') await mkdir(directory, { mode: 0o700 });
    throw error;
  }
}

/** The key and the tokens in it are for this user only. Windows has no such bits: there the profile's rules hold. */
async function makePrivate(path: string, warnings: string[]): Promise<void> {
  if (process.platform === 'win32') return;
  const { mode } = await stat(path);
  if ((mode & 0o077) === 0) return;
  await chmod(path, 0o700);
  warnings.push(`The directory ${path} was open to other users; it is closed to them now (mode 0700).`);
}

/** Names by which a data directory is known. */
const OURS: ReadonlySet<string> = new Set([
  'pgdata',
  'pgdata.complete',
  'pgdata.making',
  'signing-key',
  'signing-key.used',
]);

/**
 * What may be there before anything of ours is: a fresh volume has the first, the others are of a process that is
 * just making the directory, or was killed while it did.
 */
const EMPTY_ENOUGH: ReadonlySet<string> = new Set([
  'lost+found',
  'holder.sock',
  'lock',
  'signing-key.unfinished',
]);

function unusable(path: string, error: unknown): unknown {
  const code = codeOf(error);
  if (error instanceof DataDirectoryError || code === undefined) return error;
  return new DataDirectoryError(
    'DATA_DIRECTORY_UNUSABLE',
    troubleOf(code, path)?.message ??
      `The data directory ${path} can't be used (${code}). Give --data-dir a directory that this user may write to.`,
    { cause: error },
  );
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
