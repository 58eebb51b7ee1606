import { readFileSync } from 'node:fs';
import { BenchError } from './error.js';

/** What the process has open besides connections: its modules, pipes and files. */
const OTHERS = 64;

/** @throws BenchError where this process may not open a connection for each session, on each side, and to the null server */
export function requireOpenFiles(connections: number, sides: number): void {
  const needed = connections * (sides + 1) + OTHERS;
  const limit = openFileLimit();
  if (needed <= limit) return;
  throw new BenchError(
    'OPEN_FILES',
    `So many users need ${needed} open files, and this process may open ${limit}. Raise the limit (\`ulimit -n 65536\` in the shell), or lower --users.`,
  );
}

/** The soft limit, which Node raises as far as it may; Infinity where nobody says: elsewhere than on Linux. */
function openFileLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === undefined ? Infinity : Number(soft);
  } catch {
    return Infinity;
  }
}
