import { readdirSync, readFileSync } from 'node:fs';

/** A clock tick of /proc, everywhere on Linux. */
const TICK_US = 10_000;

interface Stat {
  readonly parent: number;
  readonly ownTicks: number;
  /** Of children that have ended. */
  readonly endedTicks: number;
}

function statOf(pid: number): Stat | undefined {
  try {
    // The name, in parentheses, may hold blanks; see proc(5).
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const at = (n: number) => fields[n] ?? 0;
    return { parent: at(1), ownTicks: at(11) + at(12), endedTicks: at(13) + at(14) };
  } catch {
    return undefined;
  }
}

export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((one) => statOf(one)?.parent === pid);
}

/** CPU time of a process so far, in microseconds. */
export function cpuUs(pid: number): number {
  return (statOf(pid)?.ownTicks ?? 0) * TICK_US;
}

/** The same of a process with its children, those that have ended among them: PostgreSQL is one for each connection. */
export function treeCpuUs(pid: number): number {
  const children = childrenOf(pid).reduce((sum, child) => sum + cpuUs(child), 0);
  return cpuUs(pid) + (statOf(pid)?.endedTicks ?? 0) * TICK_US + children;
}
