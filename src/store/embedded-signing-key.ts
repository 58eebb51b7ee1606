import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataDirectoryError } from './embedded-errors.js';

/** In base64url 64 characters: RFC 7518 (3.2) wants 32 bytes of a key for HS256, and 64 for HS512. */
const KEY_BYTES = 48;

/**
 * The signing key of a data directory that this process has locked: made once, then kept. Losing it would end every
 * session, so it is never written over.
 */
export async function keepSigningKey(directory: string, warnings: string[]): Promise<string> {
  const path = join(directory, 'signing-key');
  return (await readSigningKey(path, warnings)) ?? (await makeSigningKey(directory, path));
}

async function readSigningKey(path: string, warnings: string[]): Promise<string | undefined> {
  let file;
  try {
    // Windows has no O_NOFOLLOW; there it is undefined, which `|` takes for 0.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { mode } = await file.stat();
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      await file.chmod(0o600);
      warnings.push(
        `The key file ${path} could be read by other users; it can't any more (mode 0600). If one of them may have read it, stop the server, delete the file, and let all sessions end.`,
      );
    }
    const text = (await file.readFile('utf8')).replace(/\r?\n$/, '');
    if (text.trim() !== '') return text;
  } finally {
    await file.close();
  }
  throw new DataDirectoryError(
    'DATA_DIRECTORY_UNUSABLE',
    `The key file ${path} is empty. Put the key back, or delete the file: a new key is made then, and all sessions end.`,
  );
}

/** Written beside and renamed, so that a crash leaves a whole key or none. */
async function makeSigningKey(directory: string, path: string): Promise<string> {
  const key = randomBytes(KEY_BYTES).toString('base64url');
  const unfinished = `${path}.unfinished`;
  await rm(unfinished, { force: true });
  const file = await open(unfinished, 'wx', 0o600);
  try {
    await file.writeFile(`${key}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
  await syncDirectory(directory);
  return key;
}

/** The name is on disk only when its directory is. Windows can't open one. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
