import { resolve } from 'node:path';
import type { Source } from './source.js';

/** What Node puts in the place of bytes that are no UTF-8. */
const NOT_UTF8 = '\uFFFD';

/** The bit that lets every user of the machine read a file. */
export const READ_BY_ALL = 0o004;

/** Reads the files that options name, and writes down what is wrong with them. */
export class FileReader {
  readonly #source: Source;
  readonly #problems: string[];
  readonly #warnings: string[] = [];

  constructor(source: Source, problems: string[]) {
    this.#source = source;
    this.#problems = problems;
  }

  absolute(path: string): string {
    return resolve(this.#source.cwd, path);
  }

  /** @param name of the option or variable, for the message */
  read(name: string, path: string): string | undefined {
    const absolute = this.absolute(path);
    try {
      const text = this.#source.readFile(absolute);
      if (text.trim() !== '') return text;
      this.#problems.push(`${name}: the file ${absolute} is empty.`);
    } catch (error) {
      this.#problems.push(`${name}: the file ${absolute} ${reason(error)}.`);
    }
    return undefined;
  }

  /** Sentences on what is likely to be a mistake, and is no error. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** The same for what others must not know: that they can read it is warned of. */
  readSecret(name: string, path: string): string | undefined {
    const text = this.read(name, path);
    if (text === undefined) return undefined;
    const absolute = this.absolute(path);
    const mode = this.#source.modeOf?.(absolute) ?? 0;
    if ((mode & READ_BY_ALL) !== 0) {
      this.#warnings.push(
        `${name}: every user of this machine can read the key in ${absolute} (mode ${(mode & 0o777).toString(8).padStart(4, '0')}). ` +
          'Run `chmod o-rwx` on it; of a Kubernetes secret set defaultMode: 0400 and fsGroup.',
      );
    }
    return text;
  }

  /**
   * A key's text. An editor or `echo` ended the file with a line end that is not part of the secret.
   *
   * Bytes that are no UTF-8 are refused: read as text they would be another key, and every token would be refused. Around
   * a PEM block they are somebody's remarks.
   */
  readKey(name: string, path: string, secret: boolean): string | undefined {
    const whole = secret ? this.readSecret(name, path) : this.read(name, path);
    const text = whole?.replace(/\r?\n$/, '');
    if (text === undefined || !text.includes(NOT_UTF8) || text.includes('-----BEGIN ')) return text;
    this.#problems.push(
      `${name}: the file ${this.absolute(path)} is not UTF-8 text. A key is used as the UTF-8 bytes of its text, as Django uses SECRET_KEY; a key of random bytes can't be given. Make one of text (\`openssl rand -base64 48\`), sign with it at Django too, or convert the file with iconv where it was saved in another encoding.`,
    );
    return undefined;
  }
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read by this user';
  if (code === 'EISDIR') return 'is a directory';
  return `cannot be read (${code})`;
}
