import { randomBytes } from 'node:crypto';
import { link, open, readFile, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  adopt,
  envFileText,
  FactsError,
  parseFacts,
  type Adoption,
  type Choices,
  type Facts,
} from '../adopt/index.js';
import { CommandError, ConfigError } from '../config/errors.js';
import type { FileText } from '../config/parts.js';

/** The text of the probe, as it is shipped. */
export function readProbe(): Promise<string> {
  return readFile(new URL('../adopt/probe.py', import.meta.url), 'utf8');
}

/** @throws {ConfigError} where the file holds no facts */
export function readFacts({ path, text }: FileText): Facts {
  try {
    return parseFacts(text);
  } catch (error) {
    if (error instanceof FactsError) throw new ConfigError([`--facts: ${path} ${error.message}`]);
    throw error;
  }
}

/** What becomes of the site. @throws {ConfigError} where the file holds no facts */
export function judgeSite(facts: FileText, choices: Choices): Adoption {
  return adopt(readFacts(facts), choices);
}

/**
 * Writes the settings (mode 0600), whole or not at all. A file that is there is written over only with `force`; one that
 * says the same already is left alone.
 *
 * @throws {CommandError} FILE_EXISTS, FILE_NOT_WRITTEN
 */
export async function writeEnvFile(
  path: string,
  { options }: Adoption,
  { madeOf, force }: { readonly madeOf: string; readonly force: boolean },
): Promise<'written' | 'unchanged'> {
  const text = envFileText(options, basename(madeOf));
  const before = await readFile(path, 'utf8').catch(() => undefined);
  if (before === text) return 'unchanged';
  const draft = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    // A link fails where something has the name, whoever made it a moment ago.
    if (force) await rename(draft, path);
    else await link(draft, path);
    return 'written';
  } catch (error) {
    throw notWritten(path, error);
  } finally {
    await unlink(draft).catch(() => undefined);
  }
}

function notWritten(path: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  if (code === 'EEXIST')
    return new CommandError(
      'FILE_EXISTS',
      6,
      `${path} is there already, and was left as it is. Name another file with --out, or say --force to write over it.`,
    );
  return new CommandError('FILE_NOT_WRITTEN', 1, `${path} could not be written (${code}).`);
}
