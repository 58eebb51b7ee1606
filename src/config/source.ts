import { readFileSync } from 'node:fs';
import type { Environment } from './resolve.js';

/** Where settings come from, besides the command line. */
export interface Source {
  readonly env: Environment;
  /** What relative paths start from. */
  readonly cwd: string;
  /** The text of a file. Throws what node:fs throws. */
  readFile(path: string): string;
}

/** This process's own surroundings. */
export function processSource(): Source {
  return {
    env: process.env,
    cwd: process.cwd(),
    readFile: (path) => readFileSync(path, 'utf8'),
  };
}
