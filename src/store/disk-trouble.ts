import { randomBytes } from 'node:crypto';
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** Why a directory can't be written to, or not enough. */
export interface DiskTrouble {
  readonly kind: 'full' | 'read_only' | 'not_allowed';
  /** A sentence: what is so, and what to do. */
  readonly message: string;
}

/** One segment of WAL, the largest thing that a start writes at once. */
const PROBE_BYTES = 16 * 1024 * 1024;

/**
 * Whether a directory can be written to at the moment, by writing: quotas and read-only mounts show in no attribute.
 * To be asked when something failed; it costs a write of 16 MB.
 */
export async function diskTrouble(directory: string): Promise<DiskTrouble | undefined> {
  const path = join(directory, `write-probe.${randomBytes(4).toString('hex')}`);
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(Buffer.alloc(PROBE_BYTES));
      await file.sync();
    } finally {
      await file.close();
      await rm(path, { force: true });
    }
    return undefined;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    return troubleOf(code, directory, await freeMegabytes(directory));
  }
}

/** What an error of a write in this directory means; undefined: nothing that is known here. */
export function troubleOf(code: string, directory: string, freeMb?: number): DiskTrouble | undefined {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return {
        kind: 'full',
        message:
          `The disk of ${directory} is full${freeMb === undefined ? '' : ` (${freeMb} MB are free)`}, or its quota is ` +
          'used up. Make room there, and start again. Nothing in the directory has to be deleted.',
      };
    case 'EROFS':
      return {
        kind: 'read_only',
        message:
          `The file system of ${directory} is mounted read-only. Mount it for writing, or give --data-dir a directory ` +
          'elsewhere. Nothing in the directory has to be deleted.',
      };
    case 'EACCES':
    case 'EPERM':
      return {
        kind: 'not_allowed',
        message: `This user may not write to ${directory} (${code}). Give --data-dir a directory that it may write to.`,
      };
    default:
      return undefined;
  }
}

async function freeMegabytes(directory: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return Math.floor((bavail * bsize) / (1024 * 1024));
  } catch {
    return undefined;
  }
}
