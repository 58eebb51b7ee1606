import { readFileSync, statSync } from 'node:fs';
import type { Environment } from './resolve.js';

/** Where settings come from, besides the command line. */
export interface Source {
  readonly env: Environment;
  /** What relative paths start from. */
  readonly cwd: string;
  /** The text of a file. Throws what node:fs throws. */
  readFile(path: string): string;
  /** Of --env-file, whose variables are in `env` where the environment has none. */
  readonly file?: {
    readonly path: string;
    /** The line that sets a variable. */
    readonly lineOf: ReadonlyMap<string, number>;
    /** It holds a secret, and every user of the machine can read it. */
    readonly readByAll: boolean;
  };
  /** The permission bits of a file; undefined where there are none, or no file. */
  readonly modeOf?: (path: string) => number | undefined;
}

/** This process's own surroundings. */
export function processSource(): Source {
  return {
    env: process.env,
    cwd: process.cwd(),
    readFile: (path) => readFileSync(path, 'utf8'),
    modeOf: (path) =>
      process.platform === 'win32' ? undefined : statSync(path, { throwIfNoEntry: false })?.mode,
  };
}
