import { readdirSync, readFileSync } from 'node:fs';

/** state, parent and CPU time of a process: the fields after its name, which may hold anything, in parentheses. */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

export const isAlive = (pid: number): boolean => !['Z', undefined].includes(statOf(pid)?.[0]);

/** In hundredths of a second, user and system together. */
export const cpuTicks = (pid: number): number => Number(statOf(pid)?.[11]) + Number(statOf(pid)?.[12]);

/** The workers of a `serve --workers`, in the order of their ids. Linux alone has /proc. */
export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => Number(statOf(pid)?.[1]) === parent && isAlive(pid))
    .sort((a, b) => a - b);
}
