import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';

/** Where a password is fetched at each connect, for it may be another one by then (rule 38). */
type PasswordOrigin =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'command'; readonly argv: readonly string[] };

/** The password could not be fetched. Its message names the option; nothing of what was read is in it. */
export class PasswordUnavailableError extends Error {
  override readonly name = 'PasswordUnavailableError';
}

/** Tokens of cloud providers are some 2 kB. */
const MAX_BYTES = 64 * 1024;

/** As long as a command's connect may take. What asks a cloud takes a second or two. */
const COMMAND_TIMEOUT_MS = 10_000;

/** A pool opens several connections at once, and one that gave up waiting tries again. */
const CACHE_MS = 5_000;

/** Fetches a password: one fetch at a time, for all who ask meanwhile and shortly after. */
export class PasswordSource {
  readonly #origin: PasswordOrigin;
  readonly #monotonicMs: () => number;
  #fetching: Promise<string> | undefined;
  #fetched: { readonly password: string; readonly atMs: number } | undefined;

  constructor(origin: PasswordOrigin, monotonicMs: () => number = () => performance.now()) {
    this.#origin = origin;
    this.#monotonicMs = monotonicMs;
  }

  /** @throws PasswordUnavailableError */
  fetch(): Promise<string> {
    const fetched = this.#fetched;
    if (fetched !== undefined && this.#monotonicMs() - fetched.atMs < CACHE_MS) {
      return Promise.resolve(fetched.password);
    }
    this.#fetching ??= this.#fetchOnce().finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  /** The server refused it: the next one who asks gets another, if there is one. */
  refused(): void {
    this.#fetched = undefined;
  }

  async #fetchOnce(): Promise<string> {
    const origin = this.#origin;
    const text = origin.kind === 'file' ? await readBounded(origin.path) : await outputOf(origin.argv);
    const password = text.replace(/\r?\n$/, '');
    if (password === '') throw new PasswordUnavailableError(`${placeOf(origin)} holds nothing`);
    if (/[\r\n\0]/.test(password)) {
      throw new PasswordUnavailableError(`${placeOf(origin)} holds more than one line`);
    }
    this.#fetched = { password, atMs: this.#monotonicMs() };
    return password;
  }
}

function placeOf(origin: PasswordOrigin): string {
  return origin.kind === 'file'
    ? `the file ${origin.path} of --database-password-file`
    : `the output of --database-password-command (${origin.argv[0] ?? ''})`;
}

async function readBounded(path: string): Promise<string> {
  const place = placeOf({ kind: 'file', path });
  try {
    const file = await open(path);
    try {
      const buffer = Buffer.alloc(MAX_BYTES + 1);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
      if (bytesRead > MAX_BYTES) throw new PasswordUnavailableError(`${place} is larger than 64 kB`);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof PasswordUnavailableError) throw error;
    throw new PasswordUnavailableError(`${place} can't be read${codeOf(error)}`, { cause: error });
  }
}

/** No shell: nothing in the arguments is anything but an argument. What it says on stderr is told to nobody. */
function outputOf([program = '', ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: COMMAND_TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: MAX_BYTES } as const;
    const child = execFile(program, args, options, (error, stdout) => {
      if (error === null) {
        resolve(stdout);
        return;
      }
      const how =
        error.killed === true
          ? `did not end within ${COMMAND_TIMEOUT_MS / 1000} s`
          : error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER'
            ? 'printed more than 64 kB'
            : typeof error.code === 'number'
              ? `ended with exit code ${error.code}`
              : `can't be run${codeOf(error)}`;
      // Not the error itself: it has the output.
      reject(new PasswordUnavailableError(`--database-password-command (${program}) ${how}`));
    });
    child.stdin?.end();
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? ` (${error.code})`
    : '';
}
