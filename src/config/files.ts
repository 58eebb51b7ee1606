import { resolve } from 'node:path';
import type { Source } from './source.js';

/** Reads the files that options name, and writes down what is wrong with them. */
export class FileReader {
  readonly #source: Source;
  readonly #problems: string[];

  constructor(source: Source, problems: string[]) {
    this.#source = source;
    this.#problems = problems;
  }

  /** @param name of the option or variable, for the message */
  read(name: string, path: string): string | undefined {
    const absolute = resolve(this.#source.cwd, path);
    try {
      const text = this.#source.readFile(absolute);
      if (text.trim() !== '') return text;
      this.#problems.push(`${name}: the file ${absolute} is empty.`);
    } catch (error) {
      this.#problems.push(`${name}: the file ${absolute} ${reason(error)}.`);
    }
    return undefined;
  }

  /** A key's text. An editor or `echo` ended the file with a line end that is not part of the secret. */
  readKey(name: string, path: string): string | undefined {
    return this.read(name, path)?.replace(/\r?\n$/, '');
  }
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read by this user';
  if (code === 'EISDIR') return 'is a directory';
  return `cannot be read (${code})`;
}
